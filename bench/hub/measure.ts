/** The three measurements of the local hub, each run against the hub and against the bare peer alike. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startWorker, type Worker } from '../processes.ts';
import type { ServerAddress } from './server-process.ts';

/** Service SDK → server → device SDK in three processes; answers messages per second. `storage`: bodies are read from there. */
export async function cloudToDevicePerSecond(
  server: ServerAddress,
  count: number,
  bytes: number,
  { deviceId = 'bench-0', storage }: { deviceId?: string; storage?: string } = {},
): Promise<number> {
  const device = await openDevices(server, 1);
  const service = startWorker(join(import.meta.dirname, 'service-client.ts'), { caPath: server.caPath });
  try {
    // The last that it tells may come when the service has been stopped.
    device.onProgress((total) => void service.ask({ kind: 'received', total }).catch(() => {}));
    await service.ask({ kind: 'open', connectionString: server.service, deviceId });
    if (storage !== undefined) await service.ask({ kind: 'store', storage, bytes, count });
    // The service has sent one message to open its link.
    let total = 1;
    // Fewer than IoT Hub's queue of 50, since a PUBACK takes its time to come back.
    const send = { kind: 'send', bytes, inFlight: 32, mayBeAhead: 32 };
    // Unmeasured first: the SDKs' code is compiled on the way.
    for (const round of [Math.ceil(count / 4), count]) {
      total += round;
      const [started, ended] = await Promise.all([
        service.ask<number>({ ...send, count: round }),
        device.ask<number>({ kind: 'receive', total }),
      ]);
      if (round === count) return (count / (ended - started)) * 1000;
    }
    throw new Error('unreachable');
  } finally {
    await Promise.all([device.stop(), service.stop()]);
  }
}

/** What devices send: so many messages in all, of so many bytes, with at most `inFlight` of each device unacknowledged. */
export type DeviceToCloudLoad = {
  devices: number;
  count: number;
  bytes: number;
  body: 'binary' | 'text';
  inFlight: number;
};

/** Device SDK → server, acknowledged; answers messages per second. */
export async function deviceToCloudPerSecond(
  server: ServerAddress,
  { devices, ...load }: DeviceToCloudLoad,
): Promise<number> {
  const device = await openDevices(server, devices);
  try {
    const send = { kind: 'send', ...load };
    await device.ask({ ...send, count: Math.ceil(load.count / 4) });
    return (load.count / (await device.ask<number>(send))) * 1000;
  } finally {
    await device.stop();
  }
}

/** Resident memory of the server per idle, logged-in MQTT connection, in bytes, and connections per second while they come. */
export async function connectionCost(
  server: ServerAddress,
  process: Worker,
): Promise<{ bytesPerConnection: number; connectionsPerSecond: number }> {
  const clients = startWorker(join(import.meta.dirname, 'idle-clients.ts'));
  try {
    const ca = await readFile(server.caPath, 'utf8');
    const before = await process.ask<number>({ kind: 'memory' });
    const { connections, elapsedMs } = await clients.ask<{ connections: number; elapsedMs: number }>({
      connectionStrings: server.devices,
      ca,
      inParallel: 16,
    });
    const after = await process.ask<number>({ kind: 'memory' });
    return {
      bytesPerConnection: (after - before) / connections,
      connectionsPerSecond: (connections / elapsedMs) * 1000,
    };
  } finally {
    await clients.stop();
  }
}

async function openDevices(server: ServerAddress, count: number): Promise<Worker> {
  const device = startWorker(join(import.meta.dirname, 'device-client.ts'));
  const ca = await readFile(server.caPath, 'utf8');
  await device.ask({ kind: 'open', connectionStrings: server.devices.slice(0, count), ca });
  return device;
}
