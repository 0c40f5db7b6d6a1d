/**
 * What may stand in a twin (devguide "Understand and use device twins": format and size). Every refusal is HubError
 * `ArgumentInvalid` and names the place.
 */
import { HubError } from './error.ts';
import type { JsonObject, JsonValue } from './twin.ts';

export type SectionName = 'tags' | 'desired' | 'reported';

const maxBytes: Record<SectionName, number> = { tags: 8 * 1024, desired: 32 * 1024, reported: 32 * 1024 };
const maxDepth = 10;
const maxKeyBytes = 1024;
const maxStringBytes = 4096;
/** IoT Hub's integers, in both directions. */
const minInteger = -4_503_599_627_370_496;
const maxInteger = 4_503_599_627_370_495;
/** What services send back of what they have read; IoT Hub keeps these itself. */
const readOnlyKeys = ['$metadata', '$version'];

function invalid(place: string, problem: string): HubError {
  return new HubError('ArgumentInvalid', `The twin's ${place.slice(0, 300)} ${problem}`);
}

function checkKey(place: string, key: string): void {
  if (key === '' || Buffer.byteLength(key) > maxKeyBytes) {
    throw invalid(place, `has a key that is empty or longer than ${maxKeyBytes} bytes. Choose another`);
  }
  if (/[\p{Cc}.$ ]/u.test(key)) {
    throw invalid(
      place,
      `has the key ${JSON.stringify(key.slice(0, 100))}; keys have no dot, $, space or control character`,
    );
  }
}

/** JSON text shows whole numbers without an exponent below this; beyond it they are floating-point numbers to IoT Hub. */
const isWrittenAsInteger = (value: number) => Number.isInteger(value) && Math.abs(value) < 1e21;

/** Bytes as IoT Hub counts them: control characters are free. */
function textBytes(text: string): number {
  return Buffer.byteLength(text.replaceAll(/\p{Cc}/gu, ''));
}

function checkValue(place: string, value: JsonValue, depth: number): void {
  switch (typeof value) {
    case 'string':
      if (Buffer.byteLength(value) <= maxStringBytes) return;
      throw invalid(place, `is text of more than ${maxStringBytes} bytes. Split it, or keep it elsewhere`);
    case 'number':
      if (!isWrittenAsInteger(value) || (value >= minInteger && value <= maxInteger)) return;
      throw invalid(place, `is a number beyond ${minInteger} to ${maxInteger}. Write it as text`);
    case 'boolean':
      return;
    default:
      if (value === null) return;
      if (depth > maxDepth) throw invalid(place, `is nested more than ${maxDepth} deep. Flatten it`);
      if (Array.isArray(value)) {
        for (const [index, each] of value.entries()) checkValue(`${place}[${index}]`, each, depth + 1);
        return;
      }
      for (const [key, each] of Object.entries(value)) {
        checkKey(place, key);
        checkValue(`${place}.${key}`, each, depth + 1);
      }
  }
}

/** Checks a patch or a replacement that came from outside, and returns it without the keys that IoT Hub keeps itself. */
export function checkPatch(section: SectionName, input: unknown): JsonObject {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw invalid(section, 'must be a JSON object. To remove a key, set it to null');
  }
  const patch = Object.fromEntries(
    Object.entries(input as JsonObject).filter(([key]) => !readOnlyKeys.includes(key)),
  );
  checkValue(section, patch, 0);
  return patch;
}

/** Bytes of a section as IoT Hub counts them: keys and values, numbers as 8, booleans as 4. */
export function sizeOf(value: JsonValue): number {
  switch (typeof value) {
    case 'string':
      return textBytes(value);
    case 'number':
      return 8;
    case 'boolean':
      return 4;
    default:
      if (value === null) return 0;
      if (Array.isArray(value)) return value.reduce<number>((sum, each) => sum + sizeOf(each), 0);
      return Object.entries(value).reduce((sum, [key, each]) => sum + textBytes(key) + sizeOf(each), 0);
  }
}

/** Checks a section as it would be after a change: its size, and its depth, which a merge cannot increase by itself. */
export function checkSize(section: SectionName, value: JsonObject): void {
  const bytes = sizeOf(value);
  if (bytes <= maxBytes[section]) return;
  throw invalid(
    section,
    `would have ${bytes} bytes, more than its limit of ${maxBytes[section]}. Remove keys by setting them to null`,
  );
}
