/** A hub as people run it, for fuzzing over TLS: its own process, observed from outside. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import common from 'azure-iot-common';
import iothub from 'azure-iothub';
import type { Announcement } from '../src/announcement.ts';

export type HubProcess = {
  hostName: string;
  idScope: string;
  ownerKey: string;
  deviceKey(deviceId: string): string;
  open(): Duplex;
  sendFromCloud(deviceId: string, body: string): Promise<void>;
  connections(): Promise<Record<string, number>>;
  residentBytes(): Promise<number>;
  ended(): string | undefined;
  stop(): Promise<void>;
};

const main = join(import.meta.dirname, '../src/main.ts');
const pageBytes = 4_096;

function keyIn(connectionString: string): string {
  return /SharedAccessKey=([^;]+)/.exec(connectionString)?.[1] ?? '';
}

/** Starts the hub with these devices over an empty data directory. Throws with its log when it does not start. */
export async function startHubProcess(deviceIds: readonly string[]): Promise<HubProcess> {
  const dataDir = await mkdtemp(join(tmpdir(), 'iotdh-fuzz-'));
  const args = [main, '--json', '--data-dir', dataDir, '--sku', 'off', '--port', '0', '--amqp-port', 'off'];
  for (const deviceId of deviceIds) args.push('--device', deviceId);
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  // Whatever ends this process ends the hub.
  process.once('exit', () => child.kill('SIGKILL'));
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-8_000);
  });
  const exited = once(child, 'exit');
  const line = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), exited]);
  if (child.exitCode !== null) throw new Error(`the hub did not start:\n${log}`);
  const announcement = JSON.parse(String(line[0])) as Announcement;
  const { hostName, caPath, adminTokenPath } = announcement;
  const port = announcement.ports[0] as number;
  const ca = await readFile(caPath, 'utf8');
  const adminToken = (await readFile(adminTokenPath as string, 'utf8')).trim();
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), ca]);
  const service = iothub.Client.fromConnectionString(announcement.service);
  service.setRetryPolicy(new common.NoRetry());
  await service.open();

  return {
    hostName,
    idScope: announcement.provisioning.idScope,
    ownerKey: keyIn(announcement.service),
    deviceKey: (deviceId) => keyIn(announcement.devices[deviceId] ?? ''),
    open: () => tls.connect({ port, host: 'localhost' }),
    async sendFromCloud(deviceId, body) {
      await service.send(deviceId, new common.Message(body));
    },
    async connections() {
      const response = await fetch(`https://${hostName}/local-hub/connections`, {
        headers: { authorization: `Bearer ${adminToken}`, connection: 'close' },
      });
      return ((await response.json()) as { counts: Record<string, number> }).counts;
    },
    async residentBytes() {
      const [, pages] = (await readFile(`/proc/${child.pid}/statm`, 'utf8')).split(' ');
      return Number(pages) * pageBytes;
    },
    ended: () =>
      child.exitCode === null && child.signalCode === null
        ? undefined
        : `${child.exitCode ?? child.signalCode}:\n${log}`,
    async stop() {
      await service.close().catch(() => {});
      child.kill('SIGTERM');
      await exited;
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
