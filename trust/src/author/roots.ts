/** Makes roots: the first one, and each that follows another. Who signs them is the caller's business. */
import { type Key, Metadata, Root } from '@tufjs/models';
import { instant } from '../format/issued.ts';
import { type Role, roles } from '../format/limits.ts';

export type RoleSetting = { keys: readonly Key[]; threshold: number };

export type RootSettings = Readonly<Record<Role, RoleSetting>>;

export const specVersion = '1.0.31';
const dayMs = 86_400_000;

/** How long each kind of metadata is good, in ms. The online ones are renewed long before. */
export const lifetimeMs: Readonly<Record<Role, number>> = {
  root: 730 * dayMs,
  targets: 365 * dayMs,
  snapshot: 30 * dayMs,
  timestamp: 7 * dayMs,
};

/** When metadata may end at the latest that come now: what is made here, by clocks that differ by a day. */
export const latestEndMs = (role: Role, nowMs: number): number => nowMs + lifetimeMs[role] + dayMs;

/** Throws a RangeError when a threshold cannot be met: such a root would lock everybody out. */
export function makeRoot(settings: RootSettings, version: number, nowMs: number): Metadata<Root> {
  for (const role of roles) {
    const { keys, threshold } = settings[role];
    if (
      new Set(keys.map(({ keyID }) => keyID)).size !== keys.length ||
      threshold < 1 ||
      threshold > keys.length
    ) {
      throw new RangeError(`${role}: a threshold of ${threshold} cannot be met by ${keys.length} keys`);
    }
  }
  const all = roles.flatMap((role) => settings[role].keys).sort((a, b) => (a.keyID < b.keyID ? -1 : 1));
  return new Metadata(
    Root.fromJSON({
      spec_version: specVersion,
      version,
      expires: instant(nowMs + lifetimeMs.root),
      consistent_snapshot: true,
      keys: Object.fromEntries(all.map((key) => [key.keyID, key.toJSON()])),
      roles: Object.fromEntries(
        roles.map((role) => [
          role,
          {
            keyids: settings[role].keys.map(({ keyID }) => keyID).sort(),
            threshold: settings[role].threshold,
          },
        ]),
      ),
    }),
  );
}

/** What a root says, to be changed and made anew. */
export function settingsOf(root: Root): RootSettings {
  const setting = (role: Role): RoleSetting => {
    const { keyIDs = [], threshold = 1 } = root.roles[role] ?? {};
    return { keys: keyIDs.flatMap((keyId) => root.keys[keyId] ?? []), threshold };
  };
  return {
    root: setting('root'),
    targets: setting('targets'),
    snapshot: setting('snapshot'),
    timestamp: setting('timestamp'),
  };
}

/** The successor of a root, with some roles changed. It needs signatures of both: of the root before, and its own. */
export function nextRoot(
  previous: Root,
  changes: Partial<Record<Role, RoleSetting>>,
  nowMs: number,
): Metadata<Root> {
  return makeRoot({ ...settingsOf(previous), ...changes }, previous.version + 1, nowMs);
}
