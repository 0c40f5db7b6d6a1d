/**
 * Answers requests for frames. Nothing is kept of a transfer: what a request must agree with is in the database and in the
 * manifest, the bytes are in storage, and a reply that is lost is asked for again. So any replica can answer any request.
 */
import { type FrameRequest, TransferRefusal } from '@iotdh/proto/bus/v1';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../../shared/clock.ts';
import type { ManifestReference } from '../../../shared/database/collections.ts';
import type { Log } from '../../../shared/log.ts';
import { createFrameUnits } from '../../../shared/quota/metered.ts';
import type { Budget } from '../pacing/budget.ts';
import type { FrameJob, Pacer } from '../pacing/pacer.ts';
import type { C2dMessage } from '../sender/c2d-message.ts';
import type { Blocks } from './blocks.ts';
import type { Contents, ReadContents } from './contents.ts';
import { type Answered, frameMessage, refusalMessage } from './frame-message.ts';
import { frameNumbers } from './frame-numbers.ts';
import type { Progress } from './progress.ts';
import type { Transfer, Transfers } from './transfers.ts';

export type AnswersOptions = {
  transfers: Pick<Transfers, 'find'>;
  contents: ReadContents;
  /** Bytes of signed metadata by their digest; undefined: it is none. */
  metadataSize: (digest: string) => Promise<number | undefined>;
  blocks: Blocks;
  pacer: Pick<Pacer, 'frames' | 'keepOnly' | 'refusal'>;
  budget: Pick<Budget, 'framesFromMs'>;
  progress: Pick<Progress, 'report'>;
  clock: Clock;
  random: () => number;
  log: Log;
};

/** Who asks, by what the hub says of the message and not by what the message says. */
export type Asker = { deviceId: string; traceParent: string };

/** `frames`: how many the pacer took on. */
export type Answer = { kind: 'answered'; frames: number } | { kind: 'refused'; refusal: TransferRefusal };

/** Rejects when the database or the storage does not answer; then the device asks again. */
export type AnswerFrames = (request: FrameRequest, asker: Asker) => Promise<Answer>;

/** The same refusal is not repeated sooner: a device may have several requests on their way. */
const refuseEveryMs = 2_000;
const maxRefusals = 10_000;
/** Devices that may ask again when the hub's next day begins do so over this time, and not all at once. */
const spreadMs = 600_000;
/** Refusals that wait for one device. A device that asks for ever new nonsense, faster than the hub sends, gets no more of them. */
const maxRefusalsWaiting = 4;

export function createAnswers(options: AnswersOptions): AnswerFrames {
  const { transfers, contents, metadataSize, blocks, pacer, budget, progress, clock, random, log } = options;
  const frameUnits = createFrameUnits();
  const refused = new LRUCache<string, true>({ max: maxRefusals, ttl: refuseEveryMs });

  const refusalsWaiting = new Map<string, number>();

  /** Nobody waits for it: one that is lost, or not sent at all, is asked for again. */
  async function send({ deviceId }: Answered, message: C2dMessage): Promise<void> {
    const waiting = refusalsWaiting.get(deviceId) ?? 0;
    if (waiting >= maxRefusalsWaiting) return;
    refusalsWaiting.set(deviceId, waiting + 1);
    await pacer.refusal(message);
    const left = (refusalsWaiting.get(deviceId) ?? 1) - 1;
    if (left > 0) refusalsWaiting.set(deviceId, left);
    else refusalsWaiting.delete(deviceId);
  }

  function refuse(to: Answered, refusal: TransferRefusal, retryMs?: number): Answer {
    const key = `${to.deviceId} ${to.transferId} ${refusal} ${hex(to.objectDigest)}`;
    if (!refused.has(key)) {
      refused.set(key, true);
      void send(to, refusalMessage(to, refusal, retryMs, clock.now()));
    }
    return { kind: 'refused', refusal };
  }

  const refuseForQuota = (to: Answered, untilMs: number): Answer =>
    refuse(to, TransferRefusal.QUOTA_USED, untilMs + Math.round(random() * spreadMs));

  /** The manifest that names this object, and its size. */
  async function locate(
    { manifest, fallback }: Transfer,
    digest: string,
  ): Promise<{ contents: Contents; size: number } | undefined> {
    for (const reference of [manifest, fallback]) {
      if (reference === null) continue;
      const known = await contentsOf(reference);
      const size = known?.sizes.get(digest);
      if (known !== null && size !== undefined) return { contents: known, size };
    }
    // What vouches for a manifest is asked for before it, and everybody may have it.
    const size = await metadataSize(digest);
    const first = size === undefined ? null : await contentsOf(manifest);
    return first === null || size === undefined ? undefined : { contents: first, size };
  }

  const contentsOf = (reference: ManifestReference): Promise<Contents | null> => contents(reference);

  function jobFor(
    to: Answered,
    digest: string,
    at: { offset: number; length: number; size: number },
  ): FrameJob {
    const { offset, length, size } = at;
    return {
      key: `${to.transferId}/${digest}/${offset}`,
      group: to.transferId,
      units: frameUnits(length, to.deviceId),
      quotaUsed: (untilMs) => void refuseForQuota(to, untilMs),
      async make() {
        try {
          const data = await blocks.read(digest, offset, length, size);
          if (data !== null) {
            return frameMessage(to, { offset, data }, clock.now());
          }
          log.error('an object of a published pack is not stored', { deviceId: to.deviceId, digest });
          refuse(to, TransferRefusal.UNKNOWN_OBJECT);
        } catch (error) {
          log.warn('an object could not be read; the device asks again', { digest, error });
        }
        return undefined;
      },
    };
  }

  return async (request, { deviceId, traceParent }) => {
    const { transferId, frameSize } = request;
    const objectDigest = request.objectDigest as Uint8Array<ArrayBuffer>;
    const to: Answered = { deviceId, transferId, objectDigest, traceParent };
    const transfer = await transfers.find(transferId);
    if (transfer?.deviceId !== deviceId || !transfer.goesOn)
      return refuse(to, TransferRefusal.UNKNOWN_TRANSFER);
    if (frameSize !== transfer.frameSize) return refuse(to, TransferRefusal.OUTSIDE_OBJECT);
    const digest = hex(objectDigest);
    const located = await locate(transfer, digest);
    if (located === undefined) return refuse(to, TransferRefusal.UNKNOWN_OBJECT);
    const { size, contents: found } = located;
    const offsets = frameNumbers(request).map((frame) => frame * frameSize);
    if (offsets.some((offset) => offset >= size)) return refuse(to, TransferRefusal.OUTSIDE_OBJECT);

    const { receivedBytes } = request;
    progress.report({
      assignmentId: transfer._id,
      receivedBytes: Number(receivedBytes),
      totalBytes: found.totalBytes,
    });
    const untilMs = budget.framesFromMs(clock.now());
    if (untilMs !== undefined) return refuseForQuota(to, untilMs);

    // A device has one transfer at a time: what waits for an older one is of no use any more.
    pacer.keepOnly(deviceId, (group) => group === transferId);
    const jobs = offsets.map((offset) =>
      jobFor(to, digest, { offset, length: Math.min(frameSize, size - offset), size }),
    );
    const taken = pacer.frames(deviceId, jobs);
    const end = (offsets.at(-1) ?? 0) + frameSize;
    blocks.readAhead(digest, end, size);
    blocks.readAhead(digest, end + request.window * frameSize, size);
    return { kind: 'answered', frames: taken };
  };
}

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');
