/** HostService: each method of the closed list in terms of the operations. */
import { durationFromMs, durationMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import { HostService, type Package } from '@iotdh/proto/host/v1';
import type { ActionEnd, PackageVersion } from '../install/ports.ts';
import { createJournalled, type Ended, endOf, errorOf, type JournalledOptions } from './journalled.ts';
import type { HostOperations } from './operations.ts';
import { createSlotMethods } from './slot-methods.ts';
import { createWindowsMethods } from './windows-methods.ts';

export type ServiceOptions = JournalledOptions & {
  operations: HostOperations;
  /** The services that may be restarted. */
  services: readonly string[];
  /** The one folder that images of slots are read from; null: none. */
  imageFolder: string | null;
  /** Aborted when the service stops. */
  stopping: AbortSignal;
};

const { method } = HostService;

export function createService(options: ServiceOptions): ServiceImpl<typeof HostService> {
  const { operations, services, imageFolder, stopping } = options;
  const once = createJournalled(options);
  const apt = () => {
    if (operations.apt !== undefined) return operations.apt;
    throw new ConnectError('this host installs no packages for the agent', Code.PermissionDenied);
  };

  return {
    restartService(request) {
      const { name, operationId } = request;
      if (!services.includes(name)) {
        const message = `${name} is none of the services that this host's settings name`;
        throw new ConnectError(message, Code.PermissionDenied);
      }
      return once(method.restartService, request, false, async () =>
        withOutput(await operations.restartService(name, stopping, operationId)),
      );
    },
    restartMachine: (request) =>
      once(method.restartMachine, request, true, async () => {
        const end = await operations.restartMachine(request.operationId);
        return end.kind === 'done' ? { kind: 'done', response: {} } : end;
      }),
    getPackage: async ({ name }) => ({ version: (await apt().versionOf(name, stopping)) ?? '' }),
    async simulatePackages({ packages, timeLimit }) {
      const limits = { timeLimitMs: durationMs(timeLimit!), signal: stopping };
      const end = await apt().simulate(packages.map(versionOf), limits);
      if (end.kind !== 'simulated') throw errorOf(end);
      return { before: end.before.map(({ name, version }) => ({ name, version: version ?? '' })) };
    },
    installPackages(request) {
      const { operationId: operation, packages, allowDowngrades, timeLimit } = request;
      const manager = apt();
      const limits = { allowDowngrades, timeLimitMs: durationMs(timeLimit!), signal: stopping, operation };
      return once(method.installPackages, request, true, async () =>
        withOutput(await manager.install(packages.map(versionOf), limits)),
      );
    },
    ...createWindowsMethods({ windows: operations.windows, once, stopping }),
    ...createSlotMethods({ slots: operations.slots, imageFolder, once, stopping }),
    getMachine: async () => ({
      bootId: await operations.bootId(),
      uptime: durationFromMs(Math.max(0, Math.round(await operations.uptimeMs()))),
      hasPackages: operations.apt !== undefined,
      hasWindowsUpdate: operations.windows !== undefined,
      hasSlots: operations.slots !== undefined,
      onBattery: !(await operations.onMainsPower()),
    }),
  };
}

const withOutput = (end: ActionEnd): Ended<{ output: string }> =>
  end.kind === 'done' ? { kind: 'done', response: { output: endOf(end.output ?? '') } } : end;

const versionOf = ({ name, version }: Package): PackageVersion => ({ name, version: version || null });
