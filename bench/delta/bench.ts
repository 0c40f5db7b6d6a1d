/** The segmented delta beside what Debian has, on releases of real software: bytes, CPU and memory of both ends. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { revised, sampleBytes } from '../../delta/src/testing/sample-bytes.ts';
import { root } from '../../tools/run.ts';
import type { Bench, RunOptions } from '../bench.ts';
import type { Row } from '../results.ts';
import { type Cost, isInstalled, measured } from './measured.ts';
import { pairs, prepare, type Release } from './pairs.ts';
import { digestOf, ourTools, peerTools, type Tool } from './tools.ts';

type Figures = { bytes: number; encode: Cost; apply: Cost };
/** By the name of the tool; `stopped` took too long, and a tool that is absent has none. */
type Measured = Record<string, Figures | 'stopped' | 'failed'>;

const run = promisify(execFile);
/** Each command; bsdiff takes hours on some pairs when the machine is busy. */
const defaultLimitSeconds = 1_200;

async function measure(
  tool: Tool,
  [old, next]: [Release, Release],
  limitSeconds: number,
): Promise<Figures | 'stopped'> {
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-bench-delta-'));
  const preset = `OLD='${old.tar}' NEW='${next.tar}' OLD_TREE='${old.tree}' NEW_TREE='${next.tree}'`;
  const shell = (text: string) => ['sh', '-c', `${preset}; ${text}`];
  try {
    if (tool.prepare !== undefined) await run('sh', ['-c', `${preset}; ${tool.prepare}`], { cwd: folder });
    const encode = await measured(shell(tool.encode), folder, limitSeconds);
    if (encode === 'stopped') return 'stopped';
    const apply = await measured(shell(tool.apply), folder, limitSeconds);
    if (apply === 'stopped') return 'stopped';
    if (tool.verify !== undefined) {
      await run('sh', ['-c', `${preset}; ${tool.verify}`], { cwd: folder });
    } else if ((await digestOf(join(folder, 'decoded'))) !== (await digestOf(next.tar))) {
      throw new Error(`${tool.name} decoded something else`);
    }
    return { bytes: await tool.bytes(folder, next.tar), encode, apply };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`;
const memory = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
const seconds = (cost: Cost): string => `${cost.cpuSeconds.toFixed(1)} s`;
const describe = ({ bytes, encode, apply }: Figures): string =>
  `${megabytes(bytes)}; ${seconds(encode)}, ${memory(encode.peakBytes)}; ${seconds(apply)}, ${memory(apply.peakBytes)}`;

/** One row for each peer and goal. */
function rowsOf(name: string, found: Measured, newBytes: number): Row[] {
  const rows: Row[] = [];
  const figures = (tool: string): Figures | undefined =>
    typeof found[tool] === 'object' ? found[tool] : undefined;
  for (const { name: oursName } of ourTools) {
    const ours = figures(oursName);
    if (ours === undefined) continue;
    for (const { name: peerName } of peerTools) {
      if (!(peerName in found)) continue;
      const peer = figures(peerName);
      const goal =
        peerName === 'bsdiff' ? '≤ 1.25' : peerName.startsWith('zstd') && name !== 'chromium' ? '≤ 0.5' : '–';
      rows.push({
        what: `${name} (${memory(newBytes)}), ${oursName}, beside ${peerName}: bytes`,
        ours: describe(ours),
        peer: peer === undefined ? String(found[peerName]) : describe(peer),
        ratio: peer === undefined ? Number.NaN : ours.bytes / peer.bytes,
        goal,
      });
    }
    const bsdiff = figures('bsdiff');
    if (bsdiff !== undefined) {
      rows.push({
        what: `${name}, ${oursName}, beside bsdiff: CPU to encode`,
        ours: seconds(ours.encode),
        peer: seconds(bsdiff.encode),
        ratio: ours.encode.cpuSeconds / bsdiff.encode.cpuSeconds,
        goal: '≤ 0.25',
      });
    }
  }
  return rows;
}

/** Small, made here, so that nothing is fetched. */
async function madeUpPair(folder: string): Promise<[Release, Release]> {
  const old = sampleBytes(400_000, 1);
  const made = [];
  for (const bytes of [old, revised(old, 2)]) {
    const tree = join(folder, `${made.length}`);
    await mkdir(tree);
    const tar = join(tree, 'program');
    await writeFile(tar, bytes);
    made.push({ tree, tar });
  }
  return made as [Release, Release];
}

export async function benchDelta(options: RunOptions): Promise<Row[]> {
  const { quick, large, progress, pairs: only, limitSeconds = defaultLimitSeconds } = options;
  const folder = quick
    ? await mkdtemp(join(tmpdir(), 'iotdh-bench-delta-'))
    : join(root, '.iotdh', 'bench-delta');
  const rows: Row[] = [];
  const missing = new Set<string>();
  const chosen = quick
    ? [{ name: 'made up', title: '', fetch: '', versions: ['', ''] as [string, string] }]
    : pairs.filter((pair) => large === true || pair.large !== true);
  for (const pair of chosen) {
    if (only !== undefined && !only.includes(pair.name)) continue;
    const pairFolder = join(folder, pair.name);
    await mkdir(pairFolder, { recursive: true });
    const releases = quick ? await madeUpPair(pairFolder) : await prepare(pair, pairFolder);
    const file = join(pairFolder, 'measured.json');
    // What peers cost is measured once, so that a run that is cut short goes on; ours is measured each time.
    const found: Measured = JSON.parse(await readFile(file, 'utf8').catch(() => '{}'));
    for (const tool of [...ourTools, ...peerTools]) {
      if (!(await isInstalled(tool.program))) {
        missing.add(tool.packageName);
        continue;
      }
      if (peerTools.includes(tool) && tool.name in found) continue;
      progress(`${pair.name}: ${tool.name}`);
      found[tool.name] = await measure(tool, releases, limitSeconds).catch((error: unknown) => {
        progress(`${pair.name}: ${tool.name}: ${error instanceof Error ? error.message : String(error)}`);
        return 'failed' as const;
      });
      await writeFile(file, JSON.stringify(found, null, 2));
    }
    rows.push(...rowsOf(pair.name, found, (await stat(releases[1].tar)).size));
  }
  if (missing.size > 0) {
    progress(`Rows are missing. On Debian: apt-get install ${[...missing].join(' ')}`);
  }
  if (quick) await rm(folder, { recursive: true, force: true });
  return rows;
}

export const deltaBench: Bench = {
  title: 'Segmented delta',
  peer: 'Debian’s tools',
  method: `One run each. Each cell: bytes to send; CPU and peak memory to encode; the same to apply. Every decoded file was compared. “stopped”: took longer than the limit, ${defaultLimitSeconds / 60} min unless another was given. The ratio is that of bytes, unless the row is of CPU.`,
  run: benchDelta,
};
