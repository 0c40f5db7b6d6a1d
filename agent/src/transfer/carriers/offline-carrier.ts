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

export function createOfflineCarrier({ bundles, deliver, sizeOf }: OfflineCarrierOptions): Carrier {
  async function bring(
    path: string,
    size: number,
    request: FrameRequest,
    signal: AbortSignal,
  ): Promise<AskOutcome> {
    const opened = await openBundleFile(path, size);
    if (opened.kind !== 'opened') return { kind: 'offline' };
    const { file } = opened;
    try {
      const buffer = Buffer.allocUnsafe(request.frameSize);
      for (const { offset, length } of byteRanges(request, size)) {
        const maker = createFrameMaker(request, { offset, length }, (frame) => deliver(frame, 'offline'));
        for (let at = 0; at < length && !signal.aborted; ) {
          const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, length - at), offset + at);
          if (bytesRead === 0) return { kind: 'offline' };
          await maker.add(buffer.subarray(0, bytesRead));
          at += bytesRead;
        }
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

  return {
    kind: 'offline',
    async ask(request, signal) {
      const name = Buffer.from(request.objectDigest).toString('hex');
      const size = sizeOf(request.objectDigest);
      if (size === undefined) return { kind: 'offline' };
      for (const bundle of bundles()) {
        for (const folder of ['objects', 'manifests', 'metadata']) {
          const outcome = await bring(join(bundle, folder, name), size, request, signal);
          if (outcome.kind === 'sent') return outcome;
        }
      }
      return { kind: 'offline' };
    },
  };
}
