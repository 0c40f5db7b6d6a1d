/** Lets one tool make its delta of two releases and apply it, and compares what comes of it. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { measured } from './measured.ts';
import type { Release } from './pairs.ts';
import type { Figures } from './record.ts';
import { digestOf, type Tool } from './tools.ts';

const run = promisify(execFile);

/** Its figures, or in words that it took too long. Throws when it fails or yields something else. */
export async function measureTool(
  tool: Tool,
  [old, next]: [Release, Release],
  { applier, limitSeconds }: { applier: string; limitSeconds: number },
): Promise<Figures | string> {
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-bench-delta-'));
  const preset = [
    `OLD='${old.file}' NEW='${next.file}' OLD_TREE='${old.tree}' NEW_TREE='${next.tree}'`,
    `APPLIER='${applier}'`,
  ].join(' ');
  const shell = (text: string) => ['sh', '-c', `${preset}; ${text}`];
  const stopped = `stopped after ${limitSeconds} s of CPU`;
  try {
    if (tool.prepare !== undefined) await run('sh', ['-c', `${preset}; ${tool.prepare}`], { cwd: folder });
    const encode = await measured(shell(tool.encode), folder, limitSeconds);
    if (encode === 'stopped') return stopped;
    const apply = await measured(shell(tool.apply), folder, limitSeconds);
    if (apply === 'stopped') return stopped;
    if (tool.verify !== undefined) {
      await run('sh', ['-c', `${preset}; ${tool.verify}`], { cwd: folder });
    } else if ((await digestOf(join(folder, 'decoded'))) !== (await digestOf(next.file))) {
      throw new Error(`${tool.name} decoded something else`);
    }
    return { bytes: await tool.bytes(folder, next.file), encode, apply };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
