/** Listens on a Unix socket, or on a named pipe of Windows, so that at no moment anybody else can connect. */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import net from 'node:net';

/** `sun_path` of Linux and macOS, less the final zero: longer paths are cut by the kernel's interface. */
const maxPathBytes = process.platform === 'darwin' ? 103 : 107;

const isPipe = (path: string) => path.startsWith('\\\\');

/**
 * `mode` is 0o600 for the agent's own user, or 0o660 for its group too. A socket that a crash left behind is removed, one
 * that somebody listens on is not: throws then, as for a path that is too long or is no socket.
 */
export async function listenOnSocket(server: net.Server, path: string, mode: 0o600 | 0o660): Promise<void> {
  if (!isPipe(path)) {
    if (Buffer.byteLength(path) > maxPathBytes) {
      throw new Error(`${path}: a socket's path has at most ${maxPathBytes} bytes`);
    }
    await removeStale(path);
  }
  const listening = new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
  });
  // The socket is made within `listen`, with the permissions that the mask leaves.
  const mask = isPipe(path) ? null : process.umask(0o777 & ~mode);
  try {
    server.listen({ path });
  } finally {
    if (mask !== null) process.umask(mask);
  }
  await listening;
  if (!isPipe(path)) chmodSync(path, mode);
}

async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error(`${path} exists and is not a socket`);
  if (await isListening(path)) throw new Error(`${path}: another process listens there`);
  unlinkSync(path);
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = net.connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else reject(error);
    });
  });
}
