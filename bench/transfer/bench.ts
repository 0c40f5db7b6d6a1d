/**
 * A transfer through the hub by updater and agent, beside as many bytes that the SDKs carry with nothing of ours: bytes that are in
 * memory, and bytes that the sender reads from the same storage, as the updater has to.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeArguments } from '../../agent/build.ts';
import { startEmbeddedDatabase } from '../../backend/shared/embedded-database/start.ts';
import type { Bench, RunOptions } from '../bench.ts';
import { cloudToDevicePerSecond } from '../hub/measure.ts';
import { startWorker, type Worker } from '../processes.ts';
import { median, type Row } from '../results.ts';
import type { HubAddress } from './hub-process.ts';
import type { Assigned } from './updater-process.ts';

const frameSize = 61_440;
const mebibyte = 1024 * 1024;

type Site = { hub: HubAddress; updater: Worker; agent: Worker; folder: string };

/** Runs `work` on a hub, an updater and an agent that are fresh, and takes them away again. */
async function onSite<T>(databaseUri: string, work: (site: Site) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-bench-transfer-'));
  const start = (name: string, options = {}): Worker => startWorker(join(import.meta.dirname, name), options);
  const hubProcess = start('hub-process.ts');
  const workers: Worker[] = [];
  try {
    const hub = await hubProcess.ask<HubAddress>({ dataDir: join(folder, 'hub') });
    const updater = start('updater-process.ts');
    const agent = start('agent-process.ts', { nodeArguments });
    workers.push(agent, updater);
    await updater.ask({ kind: 'start', hub, databaseUri });
    const connectionString = hub.devices[1] ?? '';
    await agent.ask({ kind: 'open', connectionString, ca: hub.caPem, folder: join(folder, 'agent') });
    return await work({ hub, updater, agent, folder });
  } finally {
    for (const worker of workers) await worker.stop();
    await hubProcess.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** Bytes per second of a pack of so many frames, from the first request to the last content on disk. */
async function transferRate({ updater, agent, folder }: Site, count: number): Promise<number> {
  let rate = 0;
  // Unmeasured first: code is compiled and connections are made on the way.
  for (const [turn, frames] of [Math.ceil(count / 4), count].entries()) {
    const bytes = frames * frameSize;
    const assigned = await updater.ask<Assigned>({ kind: 'assign', bytes, frameSize });
    const elapsedMs = await agent.ask<number>({
      kind: 'transfer',
      assigned,
      folder: join(folder, `turn-${turn}`),
    });
    rate = (bytes / elapsedMs) * 1000;
  }
  return rate;
}

export async function benchTransfer({ rounds, quick, progress }: RunOptions): Promise<Row[]> {
  const count = quick ? 40 : 1_000;
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-bench-database-'));
  const database = await startEmbeddedDatabase({ folder, searchPath: process.env.PATH, temporary: true });
  const turns: { bare: number; reading: number; ours: number }[] = [];
  try {
    for (let round = 1; round <= rounds; round += 1) {
      turns.push(
        await onSite(database.uri, async (site) => {
          const { port, caPath, service, devices, storage } = site.hub;
          const [first = '', , second = ''] = devices;
          const server = { port, caPath, service };
          const bare = await cloudToDevicePerSecond({ ...server, devices: [first] }, count, frameSize);
          const reading = await cloudToDevicePerSecond({ ...server, devices: [second] }, count, frameSize, {
            ...{ deviceId: 'bench-1', storage },
          });
          const ours = await transferRate(site, count);
          return { bare: bare * frameSize, reading: reading * frameSize, ours };
        }),
      );
      const { bare, reading, ours } = turns.at(-1)!;
      const peers = `${inMebibytes(bare)}, ${inMebibytes(reading)} with the reading`;
      progress(`transfer, round ${round} of ${rounds}: ${inMebibytes(ours)} of ${peers}`);
    }
  } finally {
    await database.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  }
  const row = (what: string, peer: 'bare' | 'reading', goal: string): Row => ({
    what,
    ours: inMebibytes(median(turns.map(({ ours }) => ours))),
    peer: inMebibytes(median(turns.map((turn) => turn[peer]))),
    ratio: median(turns.map((turn) => turn.ours / turn[peer])),
    goal,
  });
  const pack = `a pack of ${Math.round((count * frameSize) / mebibyte)} MiB in frames of ${frameSize} B`;
  const done = 'asked for, read from storage, sent, verified, durable and put in place';
  return [
    row(`${pack}: ${done}`, 'bare', '≥ 0.85'),
    row('the same, beside a peer that also reads what it sends from the same storage', 'reading', '–'),
  ];
}

const inMebibytes = (bytes: number): string => `${(bytes / mebibyte).toFixed(1)} MiB/s`;

export const transferBench: Bench = {
  title: 'Transfer',
  peer: 'the service SDK sending as many bytes to the device SDK over the same hub, at most 32 messages ahead, all of them dropped on arrival; the second one reads them from the same storage by Microsoft’s SDK, in blocks of 2 MiB, one ahead',
  run: benchTransfer,
};
