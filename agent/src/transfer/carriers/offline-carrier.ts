/** Frames from bundles on removable media. A stick that is pulled out is no more than a carrier that has nothing for now. */
import { join } from 'node:path';
import type { FrameRequest } from '@iotdh/proto/bus/v1';
import { openBundleFile } from '../bundle/bundle-file.ts';
import type { AskOutcome } from '../frame-source.ts';
import type { Carrier, Deliver } from './carrier.ts';
import { byteRanges, createFrameMaker } from './frame-maker.ts';

export type OfflineCarrierOptions = {
  /** The folders of bundles that hold this update, the last one that was imported first. */
  bundles: () => readonly string[];
  deliver: Deliver;
  sizeOf: (objectDigest: Uint8Array) => number | undefined;
};

/** Where an object of a bundle may lie. */
const folders = ['objects', 'manifests', 'metadata'];

type Range = { offset: number; length: number };

export function createOfflineCarrier({ bundles, deliver, sizeOf }: OfflineCarrierOptions): Carrier {
  /** Of the object that was asked for last: how often each of its frames was, modulo 256. */
  let asked = { name: '', times: new Uint8Array() };

  async function bring(
    path: string,
    size: number,
    request: FrameRequest,
    { offset, length }: Range,
    signal: AbortSignal,
  ): Promise<AskOutcome> {
    const opened = await openBundleFile(path, size);
    if (opened.kind !== 'opened') return { kind: 'offline' };
    const { file } = opened;
    try {
      const buffer = Buffer.allocUnsafe(request.frameSize);
      const maker = createFrameMaker(request, { offset, length }, (frame) => deliver(frame, 'offline'));
      for (let at = 0; at < length && !signal.aborted; ) {
        const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, length - at), offset + at);
        if (bytesRead === 0) return { kind: 'offline' };
        await maker.add(buffer.subarray(0, bytesRead));
        at += bytesRead;
      }
      return { kind: 'sent' };
    } catch (error) {
      // A medium that is pulled out, or cannot be read, says so with an error of the device.
      if (typeof (error as NodeJS.ErrnoException).code === 'string') return { kind: 'offline' };
      throw error;
    } finally {
      await file.close().catch(() => undefined);
    }
  }

  async function bringFromFirst(
    paths: readonly string[],
    size: number,
    request: FrameRequest,
    range: Range,
    signal: AbortSignal,
  ): Promise<AskOutcome> {
    let outcome: AskOutcome = { kind: 'offline' };
    for (const path of paths) {
      outcome = await bring(path, size, request, range, signal);
      if (outcome.kind === 'sent') break;
    }
    return outcome;
  }

  /** What is asked for again was damaged or did not come: then it is another bundle's turn, if there is one. */
  function inTurn(name: string, size: number, frameSize: number, { offset, length }: Range): string[] {
    if (asked.name !== name) asked = { name, times: new Uint8Array(Math.ceil(size / frameSize)) };
    const times = asked.times.subarray(
      Math.floor(offset / frameSize),
      Math.ceil((offset + length) / frameSize),
    );
    const known = bundles();
    const turn = times.reduce((most, one) => Math.max(most, one), 0) % Math.max(1, known.length);
    for (let frame = 0; frame < times.length; frame += 1) times[frame]! += 1;
    return [...known.slice(turn), ...known.slice(0, turn)];
  }

  return {
    kind: 'offline',
    async ask(request, signal) {
      const name = Buffer.from(request.objectDigest).toString('hex');
      const size = sizeOf(request.objectDigest);
      if (size === undefined) return { kind: 'offline' };
      for (const range of byteRanges(request, size)) {
        const paths = inTurn(name, size, request.frameSize, range).flatMap((bundle) =>
          folders.map((folder) => join(bundle, folder, name)),
        );
        const outcome = await bringFromFirst(paths, size, request, range, signal);
        if (outcome.kind !== 'sent') return outcome;
      }
      return { kind: 'sent' };
    },
  };
}
