/** The operations of a machine whose host service is asked for them: what an agent in a container has. */
import { durationFromMs, durationMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { ActionFailedSchema, HostService } from '@iotdh/proto/host/v1';
import type { ActionEnd, Operation, PackageVersion } from '../install/ports.ts';
import { operationId } from './operation-id.ts';
import type { HostOperations } from './operations.ts';

export type RemoteOptions = {
  socket: string;
  /** PEM: the host service's certificate, which alone is trusted, and the agent's own with its key. */
  ca: string;
  cert: string;
  key: string;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
};

const callMs = 180_000;
/** A host service that is started anew is there within a minute, or a person has to look. */
const retries = 30;
const retryMs = 2000;
const never = new AbortController().signal;

export function createRemoteOperations(options: RemoteOptions): HostOperations {
  const { socket, ca, cert, key, sleep } = options;
  const transport = createConnectTransport({
    baseUrl: 'https://host.invalid',
    httpVersion: '1.1',
    useBinaryFormat: true,
    readMaxBytes: 4 * 1024 * 1024,
    // Its certificate is pinned, and names nobody whom a name could be compared with.
    nodeOptions: {
      socketPath: socket,
      ca,
      cert,
      key,
      minVersion: 'TLSv1.3',
      checkServerIdentity: () => undefined,
    },
  });
  const client = createClient(HostService, transport);
  /** How often this process has had the answer that a restart is under way, and has lived on. */
  const lived = new Map<Operation, number>();

  /** The same operation again for as long as nobody answers: it acts once, however often it is asked for. */
  async function persistently<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await call();
      } catch (error) {
        const passing = isAway(error) && attempt <= retries && !signal.aborted;
        if (!passing) throw error;
        await sleep(retryMs, signal);
      }
    }
  }

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
      const end = await act(never, async () => {
        await client.restartMachine(request, { timeoutMs: callMs });
        return {};
      });
      if (end.kind === 'done') lived.set(operation, before + 1);
      return end;
    },
    bootId: async () => (await machine()).bootId,
    async uptimeMs() {
      const { uptime } = await machine();
      return uptime === undefined ? 0 : durationMs(uptime);
    },
    apt: {
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
  };
}

const brokenLink = ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'];

/** Nobody listens, or the connection broke: whether it was done is not known, and the same id tells. */
function isAway(error: unknown): boolean {
  const connectError = ConnectError.from(error);
  const { code, cause } = connectError;
  if (connectError.findDetails(ActionFailedSchema).length > 0) return false;
  // Connect says ABORTED of a connection that was reset.
  if (code === Code.Unavailable || code === Code.Aborted) return true;
  return cause instanceof Error && 'code' in cause && brokenLink.includes(String(cause.code));
}

function endOf(error: unknown, signal: AbortSignal): Exclude<ActionEnd, { kind: 'done' }> {
  if (signal.aborted) return { kind: 'stopped' };
  const connectError = ConnectError.from(error);
  const [failed] = connectError.findDetails(ActionFailedSchema);
  if (failed === undefined) return { kind: 'failed', reason: `the host service: ${connectError.rawMessage}` };
  const { reason, exitCode, output } = failed;
  return { kind: 'failed', reason, output, ...(exitCode !== undefined && { exitCode }) };
}
