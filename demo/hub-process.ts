/** The local hub in a process of its own, so that the demo can kill it like a power cut would. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** What the hub prints at its start, as far as the demo needs it. */
export type Announcement = {
  hostName: string;
  ports: number[];
  amqpPort: number;
  caPath: string;
  service: string;
  eventHub: string;
  devices: Record<string, string>;
};

export type HubProcess = { announcement: Announcement; kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> };

const bin = join(import.meta.dirname, '..', 'local-hub', 'bin', 'iotdh-local-hub.js');

/** Starts the hub and resolves once it has said where it is. Throws with what it printed if it ends before. */
export async function startHub(options: {
  dataDir: string;
  port: number;
  amqpPort: number;
  deviceId: string;
}): Promise<HubProcess> {
  const args = ['--json', '--data-dir', options.dataDir, '--device', options.deviceId];
  args.push('--port', String(options.port), '--amqp-port', String(options.amqpPort));
  const child: ChildProcess = spawn(process.execPath, [bin, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-4_000);
  });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout! });
  const first = await Promise.race([once(lines, 'line'), exited.then(() => undefined)]);
  if (first === undefined) throw new Error(`The local hub did not start:\n${log}`);
  return {
    announcement: JSON.parse(String(first[0])) as Announcement,
    async kill(signal) {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await exited;
    },
  };
}
