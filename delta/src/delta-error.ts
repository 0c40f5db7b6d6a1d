/** Why a delta is refused. Every reason means the same to the caller: this object is of no use here, take another one. */

/**
 * - `truncated`: the delta ends before what its header promises;
 * - `not-a-delta`: it does not begin as one;
 * - `unsupported`: a version, a codec or a size of segment that this applier does not know;
 * - `too-large`: a size is beyond the format's limits;
 * - `wrong-base`: it was made for a base of another size;
 * - `wrong-output`: it yields another size, or is compressed otherwise, than the caller was told;
 * - `malformed`: its index or a segment contradicts itself;
 * - `outside-base`: a segment copies bytes that the base does not have;
 * - `corrupt`: a segment does not decompress to what the index says.
 */
export type DeltaReason =
  | 'truncated'
  | 'not-a-delta'
  | 'unsupported'
  | 'too-large'
  | 'wrong-base'
  | 'wrong-output'
  | 'malformed'
  | 'outside-base'
  | 'corrupt';

/** The delta is refused. What a reader throws is passed on as it is: a disk that fails is not the delta's fault. */
export class DeltaError extends Error {
  override name = 'DeltaError';
  readonly reason: DeltaReason;

  constructor(reason: DeltaReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
