/** The agent's memory while a service pack of many bytes reaches it, is confirmed and applied. */
import { mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildAgent } from '../../agent/build.ts';
import type { Bench, RunOptions } from '../bench.ts';
import { startWorker } from '../processes.ts';
import { median, type Row } from '../results.ts';
import { startAgent } from './agent-process.ts';
import type { CloudAddress } from './cloud-process.ts';

const megabyte = 1_000_000;

/** In bytes; speed in bytes a second. */
type Measured = { idle: number; transferred: number; applied: number; speed: number };

async function measure(
  program: string,
  packBytes: number,
  progress: (line: string) => void,
): Promise<Measured> {
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-bench-agent-'));
  const cloud = startWorker(join(import.meta.dirname, 'cloud-process.ts'));
  let told = 0;
  cloud.onProgress((receivedBytes) => {
    if (receivedBytes - told < 100 * megabyte) return;
    told = receivedBytes;
    progress(`${Math.round(receivedBytes / megabyte)} of ${Math.round(packBytes / megabyte)} MB`);
  });
  try {
    const address = await cloud.ask<CloudAddress>({
      kind: 'start',
      dataDir: join(folder, 'hub'),
      packFolder: join(folder, 'pack'),
      packBytes,
    });
    const agent = await startAgent(program, join(folder, 'agent'), address);
    try {
      await agent.client.ready();
      const idle = agent.memory().residentBytes;
      const started = performance.now();
      await cloud.ask({ kind: 'offer' });
      await agent.reaches('WAIT_CONFIRM_PATCH');
      const speed = packBytes / ((performance.now() - started) / 1000);
      const transferred = agent.memory().peakBytes;
      const { pendingUpdate } = await agent.client.getState();
      if (pendingUpdate === null) throw new Error('nothing is pending');
      await agent.client.confirm(pendingUpdate, {
        decision: 'confirm',
        person: { id: 'bench', name: 'Bench' },
      });
      await agent.reaches('READY');
      return { idle, transferred, applied: agent.memory().peakBytes, speed };
    } finally {
      await agent.stop();
    }
  } finally {
    await cloud.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

export async function benchAgent({ rounds, quick, large, progress }: RunOptions): Promise<Row[]> {
  const sizes = quick ? [2 * megabyte] : large ? [200 * megabyte, 2000 * megabyte] : [200 * megabyte];
  const builds = join(import.meta.dirname, '..', '..', 'agent', 'dist');
  mkdirSync(builds, { recursive: true });
  const target = await mkdtemp(join(builds, 'bench-'));
  try {
    const program = buildAgent(target);
    const turns: Measured[][] = [];
    for (let round = 1; round <= rounds; round += 1) {
      progress(`the agent's memory, round ${round} of ${rounds}`);
      const turn: Measured[] = [];
      for (const size of sizes) turn.push(await measure(program, size, progress));
      turns.push(turn);
    }
    return rowsOf(turns, sizes);
  } finally {
    await rm(target, { recursive: true, force: true });
  }
}

function rowsOf(turns: readonly Measured[][], sizes: readonly number[]): Row[] {
  const inMb = (figures: number[]) => `${(median(figures) / megabyte).toFixed(1)} MB`;
  const of = (index: number, figure: keyof Measured) => turns.map((turn) => turn[index]![figure]);
  const row = (what: string, ours: number[], peer: number[], goal: string): Row => ({
    what,
    ours: inMb(ours),
    peer: inMb(peer),
    ratio: median(ours.map((figure, turn) => figure / peer[turn]!)),
    goal,
  });
  const rows = sizes.flatMap((size, index) => {
    const pack = `a pack of ${Math.round(size / megabyte)} MB`;
    const speed = `${(median(of(index, 'speed')) / megabyte).toFixed(0)} MB/s`;
    return [
      row(
        `peak while ${pack} is received (${speed})`,
        of(index, 'transferred'),
        of(index, 'idle'),
        '≤ 130 MB',
      ),
      row(`the same until ${pack} is applied`, of(index, 'applied'), of(index, 'idle'), '≤ 130 MB'),
    ];
  });
  if (sizes.length < 2) return rows;
  const small = of(0, 'transferred');
  return [
    ...rows,
    row('received: the larger pack beside the smaller one', of(1, 'transferred'), small, '≤ 10 MB more'),
  ];
}

export const agentBench: Bench = {
  title: 'Memory of the agent',
  peer: 'the same agent, idle and connected, before the update',
  run: benchAgent,
};
