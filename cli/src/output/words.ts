/** Words and times for people. */
import type { Timestamp } from '@bufbuild/protobuf/wkt';

/** `2026-11-23 18:04:05` in UTC; empty for none. */
export function timeText(time: Timestamp | undefined): string {
  if (time === undefined) return '';
  const iso = new Date(Number(time.seconds) * 1_000).toISOString();
  return `${iso.slice(0, 10)} ${iso.slice(11, 19)}`;
}

/** How long ago: `3 s`, `4 min`, `2 h`, `5 d`. Empty for none. */
export function agoText(time: Timestamp | undefined, now: Date): string {
  if (time === undefined) return '';
  const seconds = Math.max(0, Math.floor(now.getTime() / 1_000) - Number(time.seconds));
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** A value of an enum of the contract in lower case, as the database and the docs write it; empty for none. */
export function enumText(values: Readonly<Record<string, number>>, value: number | undefined): string {
  const name = Object.keys(values).find((key) => values[key] === value && key !== 'UNSPECIFIED');
  return name?.toLowerCase() ?? '';
}

/**
 * Bold, dim and plain colours, which only look different; other control characters, with which text can steer a terminal or hide what
 * is beside it; and those that turn the direction of writing (Unicode annex 9), with which it can seem to be another.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const control = /(\x1b\[(?:1|2|22|3[1-6]|39)m)|[\p{Cc}\p{Bidi_Control}\u2028\u2029]+/gu;

/** Text of other people on one line of a terminal. Colours stay. */
export const oneLine = (text: string): string => text.replace(control, (_, colour = ' ') => colour);

/** The same, over as many lines as it has. */
export const manyLines = (text: string): string => text.split('\n').map(oneLine).join('\n');

export const hexText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
