/** The hub as people run it: a process of its own, started through its command, killed and started again on the same data and ports. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after } from 'node:test';
import type { Announcement } from '../src/announcement.ts';
import { signSas } from '../src/engine/sas.ts';
import { type Endpoint, releaseLongTimers, trust } from './endpoint.ts';
import { within } from './expect.ts';
import { createRest } from './sdk.ts';

export type HubProcess = Endpoint & {
  readonly pid: number;
  /** Registers a device over REST. */
  addDevice(deviceId: string): Promise<void>;
  /** Makes a device that was registered by other means known to `deviceConnectionString`. */
  know(deviceId: string, primaryKey: string): void;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves to the exit code. */
  terminate(): Promise<number>;
  /** Starts it again. */
  restart(): Promise<void>;
  /** What it wrote to stderr, over all its lives. */
  readonly lines: readonly string[];
};

const command = join(import.meta.dirname, '../bin/iotdh-local-hub.js');
const hourMs = 3_600_000;

type Running = { child: ChildProcess; announcement: Announcement };

async function start(dataDir: string, ports: readonly [number, number], lines: string[]): Promise<Running> {
  const [port, amqpPort] = ports.map(String);
  const child = spawn(
    process.execPath,
    [
      ...[command, '--json', '--data-dir', dataDir, '--sku', 'off'],
      ...['--port', port ?? '0', '--amqp-port', amqpPort ?? '0'],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  createInterface({ input: child.stderr }).on('line', (line) => void lines.push(line));
  const output = createInterface({ input: child.stdout });
  const announced = (async () => {
    for await (const line of output) return JSON.parse(line) as Announcement;
    throw new Error(`the hub did not start:\n${lines.slice(-5).join('\n')}`);
  })();
  try {
    return { child, announcement: await within('the hub to start', announced) };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

function policyIn(connectionString: string): { name: string; key: string } {
  const name = /SharedAccessKeyName=([^;]+)/.exec(connectionString)?.[1] ?? assert.fail();
  const key = /SharedAccessKey=([^;]+)/.exec(connectionString)?.[1] ?? assert.fail();
  return { name, key };
}

/** Starts a hub over an empty data directory; both are gone at the end of the file. */
export async function startHubProcess(): Promise<HubProcess> {
  const dataDir = await mkdtemp(join(tmpdir(), 'conformance-'));
  const lines: string[] = [];
  let running = await start(dataDir, [0, 0], lines);
  const { announcement } = running;
  const { hostName, caPath, amqpPort = 0 } = announcement;
  const port = announcement.ports[0] ?? assert.fail();
  const caPem = await readFile(caPath, 'utf8');
  trust(caPem);
  releaseLongTimers();

  const keys = new Map<string, string>();
  const keyOf = (deviceId: string) => keys.get(deviceId) ?? assert.fail(`${deviceId} was not added`);
  const policies = new Map(
    [announcement.service, announcement.eventHub].map(policyIn).map((policy) => [policy.name, policy]),
  );
  const policy = (name: string) => policies.get(name) ?? assert.fail(`the hub announced no policy ${name}`);
  const cleanups: (() => unknown)[] = [];

  async function end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number> {
    const exited = once(running.child, 'exit');
    running.child.kill(signal);
    const [code] = await within(`the hub to end on ${signal}`, exited);
    return Number(code);
  }

  after(async () => {
    await Promise.all(cleanups.map((cleanup) => cleanup()));
    if (running.child.exitCode === null && running.child.signalCode === null) await end('SIGKILL');
    await rm(dataDir, { recursive: true, force: true });
  });

  const endpoint: Endpoint = {
    port,
    hostName,
    caPem,
    caPath,
    eventHubName: /EntityPath=([^;]+)/.exec(announcement.eventHub)?.[1] ?? assert.fail(),
    idScope: announcement.provisioning.idScope,
    policy,
    sign: (name, key, seconds = 3_600) =>
      signSas({ resource: hostName, key, policyName: name, expiresAtMs: Date.now() + seconds * 1_000 }),
    connectionString(name) {
      const { key } = policy(name);
      return `HostName=${hostName};SharedAccessKeyName=${name};SharedAccessKey=${key}`;
    },
    eventHubConnectionString: (tls = false) => (tls ? announcement.eventHubOverTls : announcement.eventHub),
    deviceConnectionString: (deviceId) =>
      `HostName=${hostName};DeviceId=${deviceId};SharedAccessKey=${keyOf(deviceId)}`,
    deviceToken: (deviceId) =>
      signSas({
        resource: `${hostName}/devices/${deviceId}`,
        key: keyOf(deviceId),
        expiresAtMs: Date.now() + hourMs,
      }),
    onStop: (cleanup) => void cleanups.unshift(cleanup),
  };

  return {
    ...endpoint,
    lines,
    get pid() {
      return running.child.pid ?? 0;
    },
    know: (deviceId, primaryKey) => void keys.set(deviceId, primaryKey),
    addDevice: (deviceId) =>
      new Promise<void>((resolve, reject) => {
        const key = Buffer.alloc(32, deviceId.length).toString('base64');
        const authentication = { type: 'sas', symmetricKey: { primaryKey: key, secondaryKey: key } };
        createRest(endpoint).executeApiCall(
          'PUT',
          `/devices/${deviceId}?api-version=2021-04-12`,
          { 'Content-Type': 'application/json' },
          { deviceId, authentication },
          (error?: Error | null) => {
            if (error) return reject(error);
            keys.set(deviceId, key);
            resolve();
          },
        );
      }),
    kill: async () => void (await end('SIGKILL')),
    terminate: () => end('SIGTERM'),
    async restart() {
      running = await start(dataDir, [port, amqpPort], lines);
    },
  };
}
