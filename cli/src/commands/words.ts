/** Reads what people type: choices, labels, instants. */
import { type Timestamp, timestampFromDate } from '@bufbuild/protobuf/wkt';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { parseDuration } from '../quantities.ts';

/** The value of an enum of the contract by its name, without regard to case. */
export function enumValue<Value extends number>(
  values: Readonly<Record<string, Value>>,
  word: string,
): Value {
  const names = Object.keys(values).filter((name) => name !== 'UNSPECIFIED');
  const name = names.find((one) => one === word.toUpperCase());
  const value = name === undefined ? undefined : values[name];
  if (value !== undefined) return value;
  throw new Failure(exitCode.usage, `${word} is none of ${names.map((one) => one.toLowerCase()).join(', ')}`);
}

/** `key=value` words as a map. */
export function labelsOf(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf('=');
      if (at < 1) throw new Failure(exitCode.usage, `${word} is no label: write name=value`);
      return [word.slice(0, at), word.slice(at + 1)];
    }),
  );
}

/** As `instantOf`, for what is to come: a duration without its sign, which would lie in the past, is refused. */
export function comingInstantOf(word: string, now: Date): Timestamp {
  if (parseDuration(word) !== undefined) {
    throw new Failure(exitCode.usage, `${word} would be in the past: write +${word}`);
  }
  return instantOf(word, now);
}

/** An instant such as 2026-11-01T12:00:00Z, or a duration from now: `2h` ago for the past, `+2h` ahead. */
export function instantOf(word: string, now: Date): Timestamp {
  const ms = parseDuration(word.replace(/^\+/, ''));
  if (ms !== undefined) {
    return timestampFromDate(new Date(now.getTime() + (word.startsWith('+') ? ms : -ms)));
  }
  const date = new Date(word);
  if (Number.isNaN(date.getTime())) {
    throw new Failure(
      exitCode.usage,
      `${word} is no instant: write 2026-11-01T12:00:00Z, 2h (ago) or +2h (ahead)`,
    );
  }
  return timestampFromDate(date);
}
