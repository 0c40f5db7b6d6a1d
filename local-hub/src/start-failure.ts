/** Says in words why the hub could not start, and what to do. */
import type { Finding } from './diagnostics.ts';
import { isHubError } from './engine/error.ts';

const what = 'The hub did not start';

/** The finding for an error at start; undefined for one that nobody expected, which is a bug and deserves its stack. */
export function explainStartFailure(error: unknown): Finding | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, port, address, path } = error as NodeJS.ErrnoException & { port?: number; address?: string };
  if (port !== undefined) {
    const where = `port ${port} on ${address}`;
    if (code === 'EADDRINUSE') {
      const next = `Stop what uses it (perhaps another hub), or choose another with --port or --amqp-port`;
      return { what, reason: `${where} is in use`, next };
    }
    if (code === 'EACCES') {
      return {
        what,
        reason: `this user may not listen on ${where}`,
        next: 'Choose a port above 1023 with --port',
      };
    }
    return { what, reason: `cannot listen on ${where} (${code})`, next: 'Choose another --address' };
  }
  if (path !== undefined && code !== undefined) {
    return { what, reason: `cannot use ${path} (${code})`, next: 'Choose another folder with --data-dir' };
  }
  // What the hub's own parts say about the world: a locked directory, a newer database, Azurite not installed.
  const isOurs = isHubError(error) || (code === undefined && error.constructor === Error);
  return isOurs ? { what, reason: error.message } : undefined;
}
