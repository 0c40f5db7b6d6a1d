/** 64-bit integers of the database as those of the contract. */

/** The driver reads a Long as a number when it is small, by its `promoteLongs`. */
export function bigint(value: { toBigInt(): bigint } | number | bigint): bigint {
  return typeof value === 'object' ? value.toBigInt() : BigInt(value);
}
