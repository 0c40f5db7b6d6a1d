/** Reads fields of a JSON object strictly: a wrong type, a value out of range and a name that nobody knows are all errors. */
import { isAbsolute } from 'node:path';

/** What is wrong with the settings, and where. For people; holds no value of a setting. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

export type Fields = {
  /** The text, or `fallback` if the field is absent. */
  text(name: string, fallback: string): string;
  textOrNull(name: string): string | null;
  integer(name: string, fallback: number, range: { min: number; max: number }): number;
  oneOf<T extends string>(name: string, allowed: readonly T[], fallback: T): T;
  texts(name: string, fallback: readonly string[]): readonly string[];
  /** Null if the field is absent or null. */
  object(name: string): Fields | null;
  objects(name: string): Fields[];
  /** Every field of this object as an object of its own. */
  each(): [string, Fields][];
  /** Every field of this object as a list of texts. */
  lists(): [string, readonly string[]][];
  has(name: string): boolean;
  /** Throws for a field that was not asked for. */
  end(): void;
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The fields of `value`, which is called `path` in errors. Throws a SettingsError when it is no object. */
export function fieldsOf(value: unknown, path: string): Fields {
  if (!isObject(value)) throw new SettingsError(`${path || 'the configuration'} must be an object`);
  const object = value;
  const known = new Set<string>();
  const at = (name: string) => (path === '' ? name : `${path}.${name}`);
  function take(name: string): unknown {
    known.add(name);
    return object[name] ?? undefined;
  }
  function textsOf(found: unknown, name: string): readonly string[] {
    if (!Array.isArray(found) || !found.every((item) => typeof item === 'string')) {
      throw new SettingsError(`${at(name)} must be a list of texts`);
    }
    return found;
  }
  function text(name: string, fallback: string): string {
    const found = take(name) ?? fallback;
    if (typeof found !== 'string') throw new SettingsError(`${at(name)} must be a text`);
    return found;
  }
  return {
    text,
    textOrNull: (name) => (take(name) === undefined ? null : text(name, '')),
    integer(name, fallback, { min, max }) {
      const found = take(name) ?? fallback;
      if (!Number.isInteger(found) || Number(found) < min || Number(found) > max) {
        throw new SettingsError(`${at(name)} must be a whole number from ${min} to ${max}`);
      }
      return Number(found);
    },
    oneOf(name, allowed, fallback) {
      const found = allowed.find((item) => item === (take(name) ?? fallback));
      if (found === undefined) throw new SettingsError(`${at(name)} must be one of ${allowed.join(', ')}`);
      return found;
    },
    texts: (name, fallback) => textsOf(take(name) ?? fallback, name),
    object(name) {
      const found = take(name);
      return found === undefined ? null : fieldsOf(found, at(name));
    },
    objects(name) {
      const found = take(name) ?? [];
      if (!Array.isArray(found)) throw new SettingsError(`${at(name)} must be a list`);
      return found.map((item, index) => fieldsOf(item, `${at(name)}[${index}]`));
    },
    each: () => Object.keys(object).map((name) => [name, fieldsOf(take(name), at(name))]),
    lists: () => Object.keys(object).map((name) => [name, textsOf(take(name), name)]),
    has: (name) => take(name) !== undefined,
    end() {
      const unknown = Object.keys(object).find((name) => !known.has(name));
      if (unknown !== undefined) throw new SettingsError(`${at(unknown)} is not a setting`);
    },
  };
}

/** The path as it is. Throws a SettingsError when it is not absolute; `name` is the field's. */
export function absolute(path: string, name: string): string {
  if (!isAbsolute(path)) throw new SettingsError(`${name} must be an absolute path`);
  return path;
}
