/**
 * How changes of a twin's section are put together (devguide "Device twin operations"): objects merge key by key, null
 * removes a key, everything else replaces. Pure functions; nothing that is given is changed.
 */
import { isJsonObject, type JsonObject, type JsonValue, type TwinSection } from './twin.ts';

/** What is noted at each key that a change touches. */
export type Stamp = { $lastUpdated: string; $lastUpdatedVersion?: number };

type Merged = { value: JsonObject; metadata: JsonObject };

function own(object: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function child(parent: Merged, key: string): Merged {
  const value = own(parent.value, key);
  const metadata = own(parent.metadata, key);
  return { value: isJsonObject(value) ? value : {}, metadata: isJsonObject(metadata) ? metadata : {} };
}

function mergeObject(target: Merged, patch: JsonObject, stamp: Stamp): Merged {
  // Maps, because an assignment to the key __proto__ would change a prototype.
  const value = new Map(Object.entries(target.value));
  const metadata = new Map(Object.entries(target.metadata));
  for (const [key, change] of Object.entries(patch)) {
    if (change === null) {
      value.delete(key);
      metadata.delete(key);
    } else if (isJsonObject(change)) {
      const merged = mergeObject(child(target, key), change, stamp);
      value.set(key, merged.value);
      metadata.set(key, merged.metadata);
    } else {
      value.set(key, change);
      metadata.set(key, stamp);
    }
  }
  return { value: Object.fromEntries(value), metadata: { ...Object.fromEntries(metadata), ...stamp } };
}

/** Merges `patch` into `target`: null removes. */
export function merge(target: JsonObject, patch: JsonObject): JsonObject {
  return mergeObject({ value: target, metadata: {} }, patch, { $lastUpdated: '' }).value;
}

/** The section after a merge, one version on. With `stampVersion`, metadata name the version too. */
export function mergeSection(
  section: TwinSection,
  patch: JsonObject,
  now: string,
  stampVersion: boolean,
): TwinSection {
  const version = section.version + 1;
  const stamp = { $lastUpdated: now, ...(stampVersion && { $lastUpdatedVersion: version }) };
  return { ...mergeObject(section, patch, stamp), version };
}

/** The section with `value` in place of all it held, one version on. Nulls in `value` are left out. */
export function replaceSection(
  section: TwinSection,
  value: JsonObject,
  now: string,
  stampVersion: boolean,
): TwinSection {
  return mergeSection({ ...section, value: {}, metadata: {} }, value, now, stampVersion);
}

/** The patch that makes `from` into `to`: what a device must merge after a replacement. */
export function differenceTo(from: JsonObject, to: JsonObject): JsonObject {
  const removed = Object.keys(from).filter((key) => !Object.hasOwn(to, key));
  const entries: [string, JsonValue][] = removed.map((key) => [key, null]);
  for (const [key, value] of Object.entries(to)) {
    const before = own(from, key);
    const bothObjects = isJsonObject(value) && isJsonObject(before);
    entries.push([key, bothObjects ? differenceTo(before, value) : value]);
  }
  return Object.fromEntries(entries);
}
