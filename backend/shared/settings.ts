/**
 * Settings of a process: from its environment and, for what is not there, from one optional JSON file with the same names.
 * They are read once, checked, frozen, and can be printed without their secrets.
 */
import { readFileSync } from 'node:fs';
import { redactText } from './log.ts';

type Rule<T> = {
  /** The name of the environment variable and of the file's property. */
  name: string;
  /** Printed only as present or absent. */
  secret: boolean;
  /** Undefined: not given. Throws with what is wrong, without repeating a secret. */
  read(text: string | undefined): T;
};

export type Shape = Record<string, Rule<unknown>>;
export type Settings<S extends Shape> = Readonly<{ [K in keyof S]: S[K] extends Rule<infer T> ? T : never }>;

type TextOptions = { secret?: boolean; pattern?: RegExp };

function checkText(name: string, text: string, { pattern }: TextOptions): string {
  if (pattern !== undefined && !pattern.test(text)) throw new Error(`${name} must match ${pattern.source}`);
  return text;
}

/** A text. Without a fallback it must be given. */
export function text(name: string, options: TextOptions & { fallback?: string } = {}): Rule<string> {
  return {
    name,
    secret: options.secret ?? false,
    read(given) {
      const value = given ?? options.fallback;
      if (value === undefined) throw new Error(`${name} is missing`);
      return checkText(name, value, options);
    },
  };
}

/** A text that may be absent. */
export function optionalText(name: string, options: TextOptions = {}): Rule<string | undefined> {
  return {
    name,
    secret: options.secret ?? false,
    read: (given) => (given === undefined ? undefined : checkText(name, given, options)),
  };
}

/** A whole number within limits, both included. */
export function whole(name: string, options: { min: number; max: number; fallback: number }): Rule<number> {
  const { min, max, fallback } = options;
  return {
    name,
    secret: false,
    read(given) {
      const value = given === undefined ? fallback : Number(given);
      if (!Number.isInteger(value) || value < min || value > max)
        throw new Error(`${name} must be a whole number from ${min} to ${max}`);
      return value;
    },
  };
}

/** One of a few words. */
export function oneOf<const W extends string>(
  name: string,
  words: readonly W[],
  fallback: NoInfer<W>,
): Rule<W> {
  return {
    name,
    secret: false,
    read(given) {
      const value = words.find((word) => word === (given ?? fallback));
      if (value === undefined) throw new Error(`${name} must be one of ${words.join(', ')}`);
      return value;
    },
  };
}

const maxFileBytes = 1024 * 1024;

function readFile(path: string): Record<string, unknown> {
  const bytes = readFileSync(path);
  if (bytes.byteLength > maxFileBytes) throw new Error(`settings file ${path} is larger than 1 MiB`);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    // The parser's message would quote the file.
    throw new Error(`settings file ${path} is not JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`settings file ${path} must hold one JSON object`);
  return value as Record<string, unknown>;
}

/**
 * Reads the settings. The variable SETTINGS_FILE names the file; the environment wins over it. Empty counts as not given.
 * Throws one error that lists everything that is wrong.
 */
export function readSettings<S extends Shape>(
  environment: Readonly<Record<string, string | undefined>>,
  shape: S,
): Settings<S> {
  const file = environment.SETTINGS_FILE ? readFile(environment.SETTINGS_FILE) : {};
  const problems: string[] = [];
  const settings: Record<string, unknown> = {};
  for (const [key, rule] of Object.entries(shape)) {
    const inFile = file[rule.name];
    const given =
      environment[rule.name] || (inFile === undefined || inFile === '' ? undefined : String(inFile));
    try {
      settings[key] = rule.read(given);
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
  }
  if (problems.length > 0) throw new Error(`the settings are not usable: ${problems.join('; ')}`);
  return Object.freeze(settings) as Settings<S>;
}

/** The settings as they may be printed, by their names: secrets only as present or absent. */
export function printable<S extends Shape>(shape: S, settings: Settings<S>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(shape).map(([key, { name, secret }]) => {
      const value = settings[key as keyof S];
      if (value === undefined) return [name, null];
      if (secret) return [name, '[set]'];
      return [name, typeof value === 'string' ? redactText(value) : value];
    }),
  );
}
