/** Asks the host service, and asks again for as long as nobody answers. */
import { type Client, Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { type ActionFailed, ActionFailedSchema, HostService } from '@iotdh/proto/host/v1';
import type { ActionEnd } from '../install/ports.ts';

export type HostClientOptions = {
  socket: string;
  /** PEM: the host service's certificate, which alone is trusted, and the agent's own with its key. */
  ca: string;
  cert: string;
  key: string;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
};

export type HostClient = {
  client: Client<typeof HostService>;
  /** The same operation again for as long as nobody answers: it acts once, however often it is asked for. */
  persistently<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T>;
};

/** How long an answer may take that waits for nothing. */
export const callMs = 180_000;
export const never = new AbortController().signal;
/** A host service that is started anew is there within a minute, or a person has to look. */
const retries = 30;
const retryMs = 2000;
const brokenLink = ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'];

export function createHostClient({ socket, ca, cert, key, sleep }: HostClientOptions): HostClient {
  const transport = createConnectTransport({
    baseUrl: 'https://host.invalid',
    httpVersion: '1.1',
    useBinaryFormat: true,
    readMaxBytes: 4 * 1024 * 1024,
    // Its certificate is pinned, and names nobody whom a name could be compared with.
    nodeOptions: {
      ...{ socketPath: socket, ca, cert, key, minVersion: 'TLSv1.3' },
      checkServerIdentity: () => undefined,
    },
  });
  return {
    client: createClient(HostService, transport),
    async persistently(signal, call) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await call();
        } catch (error) {
          const passing = isAway(error) && attempt <= retries && !signal.aborted;
          if (!passing) throw error;
          await sleep(retryMs, signal);
        }
      }
    },
  };
}

/** Nobody listens, or the connection broke: whether it was done is not known, and the same id tells. */
function isAway(error: unknown): boolean {
  const { code, cause } = ConnectError.from(error);
  if (failedIn(error) !== null) return false;
  // Connect says ABORTED of a connection that was reset.
  if (code === Code.Unavailable || code === Code.Aborted) return true;
  return cause instanceof Error && 'code' in cause && brokenLink.includes(String(cause.code));
}

/** What was tried and failed; null: the error is another one. */
export function failedIn(error: unknown): ActionFailed | null {
  return ConnectError.from(error).findDetails(ActionFailedSchema)[0] ?? null;
}

export function endOf(error: unknown, signal: AbortSignal): Exclude<ActionEnd, { kind: 'done' }> {
  if (signal.aborted) return { kind: 'stopped' };
  const failed = failedIn(error);
  if (failed === null) return { kind: 'failed', reason: wordsOf(error) };
  const { reason, exitCode, output } = failed;
  return { kind: 'failed', reason, output, ...(exitCode !== undefined && { exitCode }) };
}

export const wordsOf = (error: unknown): string =>
  failedIn(error)?.reason ?? `the host service: ${ConnectError.from(error).rawMessage}`;
