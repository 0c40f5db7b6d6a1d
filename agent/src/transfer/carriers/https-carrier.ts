/**
 * Frames by HTTPS from Blob Storage. The authentication broker gives an address for each object that is good for less than an hour;
 * it is asked for another one before that, or when the storage says in the middle of an object that it is no longer good.
 */
import type { FrameRequest } from '@iotdh/proto/bus/v1';
import type { Clock } from '../clock.ts';
import type { AskOutcome } from '../frame-source.ts';
import type { Carrier, Deliver } from './carrier.ts';
import { byteRanges, createFrameMaker } from './frame-maker.ts';
import type { RangeFault, ReadRange } from './https-range.ts';

/** What the broker says. `expiresAtMs`: in ms since 1970. */
export type BlobAccess =
  | { kind: 'granted'; url: string; expiresAtMs: number }
  /** Not this object, or not this device. */
  | { kind: 'refused'; detail: string }
  | { kind: 'unreachable'; detail: string };

export type HttpsCarrierOptions = {
  /** Asks the broker for access to one object, by its digest. */
  access: (objectDigest: Uint8Array, signal: AbortSignal) => Promise<BlobAccess>;
  read: ReadRange;
  deliver: Deliver;
  /** How long the object of a request is. */
  sizeOf: (objectDigest: Uint8Array) => number | undefined;
  clock: Clock;
};

/** An address is renewed when this is left of its life: a range takes far less. */
const renewBeforeMs = 5 * 60_000;
/** The addresses of the objects that were asked for last. */
const maxKnown = 4;

export function createHttpsCarrier(options: HttpsCarrierOptions): Carrier {
  const { access, read, deliver, sizeOf, clock } = options;
  const known = new Map<string, { url: string; expiresAtMs: number }>();
  /** What the broker was asked for and has not answered: two requests that find an address at its end ask once. */
  const asked = new Map<string, Promise<BlobAccess>>();

  /** `ended`: an address that the storage no longer takes. */
  async function addressOf(
    objectDigest: Uint8Array,
    ended: string | null,
    signal: AbortSignal,
  ): Promise<BlobAccess> {
    const name = Buffer.from(objectDigest).toString('hex');
    const before = known.get(name);
    if (before !== undefined && before.url !== ended && clock.now() < before.expiresAtMs - renewBeforeMs)
      return { kind: 'granted', ...before };
    const pending = asked.get(name) ?? renew(name, objectDigest, signal).finally(() => asked.delete(name));
    asked.set(name, pending);
    return pending;
  }

  async function renew(name: string, objectDigest: Uint8Array, signal: AbortSignal): Promise<BlobAccess> {
    known.delete(name);
    const granted = await access(objectDigest, signal);
    if (granted.kind !== 'granted') return granted;
    const [oldest] = known.keys();
    if (known.size >= maxKnown && oldest !== undefined) known.delete(oldest);
    // A device whose clock is ahead would renew for ever: what was granted just now is good for a while by any clock.
    const expiresAtMs = Math.max(granted.expiresAtMs, clock.now() + 2 * renewBeforeMs);
    known.set(name, { url: granted.url, expiresAtMs });
    return granted;
  }

  async function bring(
    request: FrameRequest,
    range: { offset: number; length: number },
    signal: AbortSignal,
  ): Promise<AskOutcome> {
    let { offset, length } = range;
    let ended: string | null = null;
    for (let attempt = 0; ; attempt += 1) {
      const address = await addressOf(request.objectDigest, ended, signal);
      if (address.kind === 'refused') return { kind: 'refused', reason: address.detail };
      if (address.kind === 'unreachable') return { kind: 'offline' };
      const from = offset;
      const maker = createFrameMaker(request, { offset, length }, async (frame) => {
        await deliver(frame, 'https');
        offset += frame.data.length;
        length -= frame.data.length;
      });
      const outcome = await read({ url: address.url, offset, length }, maker.add, signal);
      if (outcome.kind === 'read') return { kind: 'sent' };
      if (outcome.kind === 'missing' || outcome.kind === 'unusable')
        return { kind: 'refused', reason: outcome.detail };
      // An address that has just been made and has brought nothing is not made once more.
      if (outcome.kind !== 'expired') return { kind: 'offline', ...retryOf(outcome) };
      if (attempt > 0 && offset === from) return { kind: 'refused', reason: outcome.detail };
      ended = address.url;
    }
  }

  return {
    kind: 'https',
    async ask(request, signal) {
      const size = sizeOf(request.objectDigest);
      if (size === undefined) return { kind: 'refused', reason: 'nobody knows how long the object is' };
      for (const range of byteRanges(request, size)) {
        const outcome = await bring(request, range, signal);
        if (outcome.kind !== 'sent') return outcome;
      }
      return { kind: 'sent' };
    },
  };
}

const retryOf = (fault: RangeFault) =>
  fault.kind === 'busy' && fault.retryMs !== null ? { retryMs: fault.retryMs } : {};
