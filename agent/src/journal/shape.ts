/**
 * Says whether a value read from disk is what the types say. A few combinators suffice: records are small, and a member
 * too many is as wrong as a member too few, so that no shape changes without a new record version.
 */

export type Shape<T> = (value: unknown) => value is T;

/** Text of 1 to `maxLength` characters. Default 256. */
export const text =
  (maxLength = 256): Shape<string> =>
  (value): value is string =>
    typeof value === 'string' && value.length > 0 && value.length <= maxLength;

/** A whole number from 0 up. */
export const count: Shape<number> = (value): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;

export const flag: Shape<boolean> = (value): value is boolean => typeof value === 'boolean';

export const oneOf =
  <const T extends string>(names: readonly T[]): Shape<T> =>
  (value): value is T =>
    names.some((name) => name === value);

export const nullable =
  <T>(shape: Shape<T>): Shape<T | null> =>
  (value): value is T | null =>
    value === null || shape(value);

/** Exactly these members. */
export const object =
  <T extends object>(members: { [K in keyof T]-?: Shape<T[K]> }): Shape<T> =>
  (value): value is T => {
    if (typeof value !== 'object' || value === null) return false;
    const shapes = Object.entries<Shape<unknown>>(members);
    return (
      Object.keys(value).length === shapes.length &&
      shapes.every(([name, shape]) => Object.hasOwn(value, name) && shape(Reflect.get(value, name)))
    );
  };

export const either =
  <T extends readonly unknown[]>(...shapes: { [K in keyof T]: Shape<T[K]> }): Shape<T[number]> =>
  (value): value is T[number] =>
    shapes.some((shape) => shape(value));
