/** The operations of a machine whose host service is asked for them: what an agent in a container has. */
import { durationFromMs, durationMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import type { ActionEnd, Operation, PackageVersion } from '../install/ports.ts';
import { callMs, createHostClient, endOf, failedIn, type HostClientOptions, never } from './host-client.ts';
import { operationId } from './operation-id.ts';
import type { HostOperations } from './operations.ts';
import { createRemoteSlots } from './remote-slots.ts';
import { createRemoteWindows } from './remote-windows.ts';

export type RemoteOptions = HostClientOptions & {
  /** Where the agent keeps what it carries: the folder that the host knows as that of images. */
  dataDir: string;
};

/** Everything is there to be asked for; what the host does not have, it refuses. */
export function createRemoteOperations(options: RemoteOptions): Required<HostOperations> {
  const host = createHostClient(options);
  const { client, persistently } = host;
  /** How often this process has had an answer to its wish for a restart, and has lived on. */
  const lived = new Map<Operation, number>();

  async function act(signal: AbortSignal, call: () => Promise<{ output?: string }>): Promise<ActionEnd> {
    try {
      const { output = '' } = await persistently(signal, call);
      return { kind: 'done', exitCode: 0, output };
    } catch (error) {
      return endOf(error, signal);
    }
  }

  const machine = () => persistently(never, () => client.getMachine({}, { timeoutMs: callMs }));
  const wire = (packages: readonly PackageVersion[]) =>
    packages.map(({ name, version }) => ({ name, version: version ?? '' }));

  return {
    restartService(name, signal, operation) {
      const request = { operationId: operationId(operation), name };
      return act(signal, () => client.restartService(request, { signal, timeoutMs: callMs }));
    },
    async restartMachine(operation) {
      const before = lived.get(operation) ?? 0;
      // Who asks on although the machine has not gone down means another restart.
      const request = { operationId: operationId(`${operation}/${before}`) };
      const answered = () => void lived.set(operation, before + 1);
      return act(never, async () => {
        try {
          await client.restartMachine(request, { timeoutMs: callMs });
          answered();
          return {};
        } catch (error) {
          if (failedIn(error) !== null) answered();
          throw error;
        }
      });
    },
    bootId: async () => (await machine()).bootId,
    async uptimeMs() {
      const { uptime } = await machine();
      return uptime === undefined ? 0 : durationMs(uptime);
    },
    onMainsPower: async () => !(await machine()).onBattery,
    apt: {
      refusal: async () =>
        (await machine()).hasPackages ? null : 'the host installs no packages for the agent',
      async versionOf(name, signal) {
        try {
          const call = () => client.getPackage({ name }, { signal, timeoutMs: callMs });
          return (await persistently(signal, call)).version || null;
        } catch (error) {
          // What is no package's name is not installed as a package.
          if (ConnectError.from(error).code === Code.InvalidArgument) return null;
          if (ConnectError.from(error).code === Code.PermissionDenied) return null;
          throw error;
        }
      },
      async simulate(packages, { timeLimitMs, signal }) {
        const request = { packages: wire(packages), timeLimit: durationFromMs(timeLimitMs) };
        const limits = { signal, timeoutMs: 2 * timeLimitMs + callMs };
        try {
          const { before } = await persistently(signal, () => client.simulatePackages(request, limits));
          return {
            kind: 'simulated',
            before: before.map(({ name, version }) => ({ name, version: version || null })),
          };
        } catch (error) {
          return endOf(error, signal);
        }
      },
      install(packages, { allowDowngrades, timeLimitMs, signal, operation }) {
        const timeLimit = durationFromMs(timeLimitMs);
        const named = { operationId: operationId(operation), packages: wire(packages) };
        const request = { ...named, allowDowngrades, timeLimit };
        const limits = { signal, timeoutMs: 3 * timeLimitMs + callMs };
        return act(signal, () => client.installPackages(request, limits));
      },
    },
    windows: createRemoteWindows(host),
    slots: createRemoteSlots(host, options.dataDir),
  };
}
