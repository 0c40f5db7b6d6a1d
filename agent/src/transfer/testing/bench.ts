/** A transfer into a temporary folder from a cloud in memory, for tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Frame, FrameRequest } from '@iotdh/proto/bus/v1';
import type { Clock } from '../clock.ts';
import type { FrameSource } from '../frame-source.ts';
import { createTransfer, type Transfer, type TransferOptions } from '../transfer.ts';
import { answer } from './cloud.ts';
import { hex, type Pack, sha256 } from './pack.ts';
import { vouched } from './vouched.ts';

export const transferId = '7d1f3a52-9a55-4a4e-8f0a-6f0f3f6b2a10';

/** Real time, for waits that are set to milliseconds. */
export const realClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-transfer-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

export type CloudOptions = {
  /** What becomes of the answer to a request. Default: it arrives as it is. */
  reply?: (frames: Frame[], request: FrameRequest) => Frame[];
};

/** A transfer of this pack; its requests are recorded, and answered in a later turn. */
export function createBench(
  pack: Pack,
  folder: string,
  options: CloudOptions & Partial<TransferOptions> = {},
) {
  const { reply = (frames: Frame[]) => frames, ...changes } = options;
  const requests: FrameRequest[] = [];
  const source: FrameSource = {
    async ask(request) {
      requests.push(request);
      const frames = reply(answer(pack.blobs, request), request);
      setImmediate(async () => {
        for (const frame of frames) await transfer.onFrame(frame);
      });
      return { kind: 'sent' };
    },
  };
  const transfer: Transfer = createTransfer({
    vouching: vouched,
    transferId,
    manifest: pack.manifest,
    frameSize: 1_500,
    folder,
    source,
    clock: realClock,
    random: () => 0,
    patienceMs: 15,
    ...changes,
  });
  return { transfer, requests, run: (signal = new AbortController().signal) => transfer.run(signal) };
}

/** Whether every content of the pack is on disk, byte for byte. */
export async function isWhole(pack: Pack, transfer: Transfer): Promise<boolean> {
  for (const content of pack.contents) {
    const found = await readFile(transfer.contentPath(hex(sha256(content)))).catch(() => undefined);
    if (found === undefined || !found.equals(content)) return false;
  }
  return true;
}
