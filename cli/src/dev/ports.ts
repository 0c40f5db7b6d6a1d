/** Chooses the ports of an environment once, and keeps them, so that what was told to others stays true. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { writeWhole } from '../write-whole.ts';
import { PortTaken } from './port-taken.ts';

/** TCP ports on loopback, kept in the folder so that they stay the same over restarts. */
export type Ports = {
  hub: number;
  hubAmqp: number;
  blobs: number;
  database: number;
  api: number;
  broker: number;
  apiHealth: number;
  brokerHealth: number;
  listenerHealth: number;
  updaterHealth: number;
};

export const portNames = [
  'hub',
  'hubAmqp',
  'blobs',
  'database',
  'api',
  'broker',
  'apiHealth',
  'brokerHealth',
  'listenerHealth',
  'updaterHealth',
] as const satisfies (keyof Ports)[];

/**
 * Where those come from that nobody asked for: below what systems give to outgoing connections (Linux from 32,768 on, others from
 * 49,152), so that none is taken by chance while its part is away.
 */
const anyPorts = { first: 20_000, count: 12_000 };
const maxTries = 1_000;
const maxChoices = 5;

export const portsFile = 'ports.json';

/** Whether nobody listens on it, on either loopback address. */
export async function isFree(port: number): Promise<boolean> {
  const free = await Promise.all(['127.0.0.1', '::1'].map((host) => canListen(port, host)));
  return free.every((one) => one);
}

function canListen(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    // A machine without IPv6 has nothing in the way there.
    server.once('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(code !== 'EADDRINUSE' && code !== 'EACCES'),
    );
    server.listen({ port, host }, () => server.close(() => resolve(true)));
  });
}

/** The ports that the folder keeps; empty when it keeps none. */
export async function keptPorts(folder: string): Promise<Partial<Ports>> {
  const text = await readFile(join(folder, portsFile), 'utf8').catch(() => '{}');
  try {
    const value = JSON.parse(text) as Record<string, unknown>;
    const known = portNames.filter((name) => Number.isInteger(value[name]) && Number(value[name]) > 0);
    return Object.fromEntries(known.map((name) => [name, Number(value[name])]));
  } catch {
    return {};
  }
}

/** Kept ones while they are free, else preferred ones while they are free, else any. Says what had to move. */
export async function choosePorts(
  folder: string,
  preferred: Partial<Ports>,
  log: (line: string) => void,
  random: () => number = Math.random,
): Promise<Ports> {
  const kept = await keptPorts(folder);
  const chosen: Partial<Ports> = {};
  // One after the other from a random one on: two environments that start together seldom meet.
  let next = Math.floor(random() * anyPorts.count);
  // All are held until all are chosen, so that nobody else takes one meanwhile.
  await using held = new AsyncDisposableStack();
  const taken = new Set<number>();
  const hold = async (port: number) => {
    if (taken.has(port) || !(await isFree(port))) return undefined;
    const server = createServer();
    const isHeld = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen({ port, host: '127.0.0.1' }, () => resolve(true));
    });
    if (!isHeld) return undefined;
    held.defer(() => new Promise<void>((resolve) => server.close(() => resolve())));
    taken.add(port);
    return port;
  };
  const holdAny = async () => {
    for (let tries = 0; tries < maxTries; tries += 1) {
      const got = await hold(anyPorts.first + (next % anyPorts.count));
      next += 1;
      if (got !== undefined) return got;
    }
    return undefined;
  };
  for (const name of portNames) {
    const wanted = kept[name] ?? preferred[name];
    const port = (wanted === undefined ? undefined : await hold(wanted)) ?? (await holdAny());
    if (port === undefined) throw new Error('no TCP port is free on this machine');
    if (wanted !== undefined && port !== wanted) log(`port ${wanted} is taken; ${name} uses ${port}`);
    chosen[name] = port;
  }
  const ports = chosen as Ports;
  await writeWhole(join(folder, portsFile), `${JSON.stringify(ports, undefined, 2)}\n`);
  return ports;
}

/**
 * Starts on chosen ports. Whoever listens takes a port at that moment and not before, so another process can come first: then what
 * was chosen is looked at again, and what is taken moves. `start` leaves nothing running when it throws.
 */
export async function onChosenPorts<T>(
  choose: () => Promise<Ports>,
  start: (ports: Ports) => Promise<T>,
  log: (line: string) => void,
): Promise<T> {
  for (let choice = 1; ; choice += 1) {
    try {
      return await start(await choose());
    } catch (error) {
      if (!(error instanceof PortTaken) || choice === maxChoices) throw error;
      log(`${error.message}; choosing again`);
    }
  }
}
