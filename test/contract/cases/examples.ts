/** Values that many cases share. All fixed: a golden case must be the same tomorrow. */

/** A UUID that is easy to tell from the others. */
export const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

/** Thirty-two bytes that stand for a SHA-256. */
export const digest = (n: number): Uint8Array => new Uint8Array(32).fill(n);

/** 2026-11-23T08:00:00Z and some seconds. */
export const at = (seconds: number, nanos = 0) => ({
  seconds: 1_795_420_800n + BigInt(seconds),
  nanos,
});

/** A duration in seconds. */
export const lasting = (seconds: number, nanos = 0) => ({ seconds: BigInt(seconds), nanos });

/** A W3C traceparent. */
export const traceParent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

/** A product at a version, as one workstation has it. */
export const mapping = { product: 'Carto Mapping', version: '8.1.0' };
