/** HostService: each method of the closed list in terms of the operations, written down before it acts. */
import { createHash } from 'node:crypto';
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { durationFromMs, durationMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import {
  ActionFailedSchema,
  type HostService,
  InstallPackagesRequestSchema,
  InstallPackagesResponseSchema,
  type Package,
  RestartMachineRequestSchema,
  RestartMachineResponseSchema,
  RestartServiceRequestSchema,
  RestartServiceResponseSchema,
} from '@iotdh/proto/host/v1';
import type { ActionEnd, PackageVersion } from '../install/ports.ts';
import type { CallJournal } from './call-journal.ts';
import type { HostOperations } from './operations.ts';

export type ServiceOptions = {
  operations: HostOperations;
  /** The services that may be restarted. */
  services: readonly string[];
  journal: CallJournal;
  now: () => number;
  /** Aborted when the service stops. */
  stopping: AbortSignal;
  /** For tests: named places where the process may die. */
  onFailPoint?: (name: 'before_journal' | 'after_journal' | 'after_action' | 'after_outcome') => void;
};

const caller = 'agent';
const maxOutput = 60_000;

export function createService(options: ServiceOptions): ServiceImpl<typeof HostService> {
  const { operations, services, journal, now, stopping, onFailPoint } = options;
  const underWay = new Map<string, Promise<Uint8Array>>();

  /**
   * Carries an operation out once; answers with its end as it is in the journal. `repeatable`: what was under way when the
   * service died is brought to its end by doing it again.
   */
  async function once<Desc extends DescMessage>(
    method: string,
    desc: Desc,
    request: MessageShape<Desc> & { operationId: string },
    act: () => Promise<ActionEnd>,
    repeatable = false,
  ): Promise<string> {
    const { operationId } = request;
    const digest = createHash('sha256').update(method).update(toBinary(desc, request)).digest('hex');
    const found = journal.find(operationId, digest);
    if (found.kind === 'reused') {
      throw new ConnectError(
        `operation ${operationId} is another request's; use a new id`,
        Code.InvalidArgument,
      );
    }
    if (found.kind === 'ended') return told(found.outcome);
    const running = underWay.get(operationId);
    if (running !== undefined) return told(await running);
    if (found.kind === 'interrupted' && !repeatable) {
      throw failure(
        `operation ${operationId} was under way when the host service ended; see how it ended`,
        true,
      );
    }
    onFailPoint?.('before_journal');
    const call = { operationId, caller, method, digest, timeMs: now() };
    if (found.kind === 'new' && !journal.begin(call)) {
      throw new ConnectError(
        'there is no room to write the call down, so nothing was done',
        Code.ResourceExhausted,
      );
    }
    onFailPoint?.('after_journal');
    const ending = end(operationId, act);
    underWay.set(operationId, ending);
    try {
      return told(await ending);
    } finally {
      underWay.delete(operationId);
    }
  }

  async function end(operationId: string, act: () => Promise<ActionEnd>): Promise<Uint8Array> {
    const done = await act();
    onFailPoint?.('after_action');
    if (done.kind === 'stopped') throw new ConnectError('the host service stops', Code.Unavailable);
    const outcome = toBinary(
      ActionFailedSchema,
      create(ActionFailedSchema, {
        reason: done.kind === 'failed' ? done.reason.slice(0, 1000) : '',
        ...(done.exitCode !== undefined && { exitCode: done.exitCode }),
        output: endOf(done.output ?? ''),
      }),
    );
    journal.end(operationId, outcome, now());
    onFailPoint?.('after_outcome');
    return outcome;
  }

  const apt = () => {
    if (operations.apt !== undefined) return operations.apt;
    throw new ConnectError('this host installs no packages for the agent', Code.PermissionDenied);
  };

  return {
    async restartService(request) {
      if (!services.includes(request.name)) {
        const message = `${request.name} is none of the services that this host's settings name`;
        throw new ConnectError(message, Code.PermissionDenied);
      }
      const act = () => operations.restartService(request.name, stopping, request.operationId);
      const output = await once('RestartService', RestartServiceRequestSchema, request, act);
      return create(RestartServiceResponseSchema, { output });
    },
    async restartMachine(request) {
      const act = () => operations.restartMachine(request.operationId);
      await once('RestartMachine', RestartMachineRequestSchema, request, act, true);
      return create(RestartMachineResponseSchema);
    },
    getPackage: async ({ name }) => ({ version: (await apt().versionOf(name, stopping)) ?? '' }),
    async simulatePackages({ packages, timeLimit }) {
      const limits = { timeLimitMs: durationMs(timeLimit!), signal: stopping };
      const end = await apt().simulate(packages.map(versionOf), limits);
      if (end.kind === 'stopped') throw new ConnectError('the host service stops', Code.Unavailable);
      if (end.kind === 'failed') throw failure(end.reason, false, end.exitCode, end.output);
      return { before: end.before.map(({ name, version }) => ({ name, version: version ?? '' })) };
    },
    async installPackages(request) {
      const { operationId: operation, packages, allowDowngrades, timeLimit } = request;
      const manager = apt();
      const limits = { allowDowngrades, timeLimitMs: durationMs(timeLimit!), signal: stopping, operation };
      const act = () => manager.install(packages.map(versionOf), limits);
      const output = await once('InstallPackages', InstallPackagesRequestSchema, request, act, true);
      return create(InstallPackagesResponseSchema, { output });
    },
    getMachine: async () => ({
      bootId: await operations.bootId(),
      uptime: durationFromMs(Math.max(0, Math.round(await operations.uptimeMs()))),
      hasPackages: operations.apt !== undefined,
    }),
  };
}

const versionOf = ({ name, version }: Package): PackageVersion => ({ name, version: version || null });

/** The output of what was done; throws what failed. */
function told(outcome: Uint8Array): string {
  const { reason, exitCode, output } = fromBinary(ActionFailedSchema, outcome);
  if (reason === '') return output;
  throw failure(reason, false, exitCode, output);
}

function failure(reason: string, interrupted: boolean, exitCode?: number, output = ''): ConnectError {
  const value = { reason: reason.slice(0, 1000), interrupted, output: endOf(output) };
  return new ConnectError(reason, Code.Aborted, undefined, [
    { desc: ActionFailedSchema, value: exitCode === undefined ? value : { ...value, exitCode } },
  ]);
}

/** Within the contract's limit in bytes, whatever its characters. */
const endOf = (output: string): string => {
  const bytes = Buffer.from(output);
  return bytes.length <= maxOutput
    ? output
    : bytes.subarray(-maxOutput).toString('utf8').replaceAll('\ufffd', '');
};
