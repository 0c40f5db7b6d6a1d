/** The segmented delta beside what Debian has, on releases of real software: bytes, CPU and memory of both ends. */
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { revised, sampleBytes } from '../../delta/src/testing/sample-bytes.ts';
import { root } from '../../tools/run.ts';
import type { Bench, RunOptions } from '../bench.ts';
import { buildApplier } from './applier.ts';
import { measureTool } from './measure-tool.ts';
import { isInstalled, measured } from './measured.ts';
import { type Pair, pairs, prepare, type Release } from './pairs.ts';
import { type PairRecord, readRecord, writeRecord } from './record.ts';
import { deltaTable } from './table.ts';
import { ourTools, peerTools } from './tools.ts';

/** Of CPU, for each command. */
const defaultLimitSeconds = 1_200;

/** Small, made here, so that nothing is fetched. */
const madeUp: Pair = { name: 'made up', title: '', fetch: '', versions: ['', ''] };

async function madeUpPair(folder: string): Promise<[Release, Release]> {
  const old = sampleBytes(400_000, 1);
  const made = [];
  for (const bytes of [old, revised(old, 2)]) {
    const tree = join(folder, `${made.length}`);
    await mkdir(tree);
    const file = join(tree, 'program');
    await writeFile(file, bytes);
    made.push({ tree, file });
  }
  return made as [Release, Release];
}

/** What Node has in memory when it does nothing, and when it has loaded what applies a delta. */
async function measureIdle(applier: string, folder: string): Promise<PairRecord['idle']> {
  const peakOf = async (command: string): Promise<number> => {
    const cost = await measured(['sh', '-c', command], folder, 60);
    return cost === 'stopped' ? Number.NaN : cost.peakBytes;
  };
  return {
    bareBytes: await peakOf(`exec ${process.execPath} -e ''`),
    loadedBytes: await peakOf(`exec ${applier}`),
  };
}

export async function benchDelta(options: RunOptions): Promise<string> {
  const { quick, large, progress, pairs: only, limitSeconds = defaultLimitSeconds } = options;
  const folder = quick
    ? await mkdtemp(join(tmpdir(), 'iotdh-bench-delta-'))
    : join(root, '.iotdh', 'bench-delta');
  const known: readonly Pair[] = quick ? [madeUp] : pairs;
  const unknown = only?.find((name) => !known.some((pair) => pair.name === name));
  if (unknown !== undefined) {
    throw new Error(`there is no pair "${unknown}", only ${known.map(({ name }) => name).join(', ')}`);
  }
  const applier = await buildApplier(join(folder, 'applier'));
  const missing = new Set<string>();
  for (const pair of known) {
    if (only === undefined ? pair.large === true && large !== true : !only.includes(pair.name)) continue;
    const pairFolder = join(folder, pair.name);
    await mkdir(pairFolder, { recursive: true });
    const releases = quick ? await madeUpPair(pairFolder) : await prepare(pair, pairFolder);
    const record: PairRecord = {
      date: new Date().toISOString().slice(0, 10),
      newBytes: (await stat(releases[1].file)).size,
      idle: await measureIdle(applier, pairFolder),
      // What peers cost is measured once; ours each time.
      tools: (await readRecord(pairFolder))?.tools ?? {},
    };
    for (const tool of [...ourTools, ...peerTools]) {
      if (!(await isInstalled(tool.program))) {
        missing.add(tool.packageName);
        continue;
      }
      if (peerTools.includes(tool) && tool.name in record.tools) continue;
      progress(`${pair.name}: ${tool.name}`);
      record.tools[tool.name] = await measureTool(tool, releases, { applier, limitSeconds }).catch(
        (error: unknown) => {
          progress(`${pair.name}: ${tool.name}: ${error instanceof Error ? error.message : String(error)}`);
          return 'failed';
        },
      );
      await writeRecord(pairFolder, record);
    }
  }
  if (missing.size > 0) {
    progress(`Rows are missing. On Debian: apt-get install ${[...missing].join(' ')}`);
  }
  const found = known.map(async (pair) => ({ ...pair, record: await readRecord(join(folder, pair.name)) }));
  const text = deltaTable(await Promise.all(found));
  if (quick) await rm(folder, { recursive: true, force: true });
  return text;
}

export const deltaBench: Bench<string> = {
  title: 'Segmented delta',
  peer: 'Debian’s tools',
  method:
    'One run each: ours in each run anew, a peer once. CPU is that of user and system, memory the peak, of which the measuring has 7 MB. Every decoded file was compared.',
  run: benchDelta,
};
