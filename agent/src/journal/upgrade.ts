/** What records of older versions are now. Each step goes from one version to the next. */
import type { Upgrade } from './seal.ts';
import { type Shape, text } from './shape.ts';

type Members = Record<string, unknown>;

const isMembers: Shape<Members> = (value): value is Members => typeof value === 'object' && value !== null;
const isText = text();

/** Version 1 did not say which patch had failed; there it was the one whose base was being dealt with. */
function failedPatchOf(snapshot: Members): string | null {
  const { state, interrupted, pack } = snapshot;
  const from = state === 'BUSY' ? interrupted : pack;
  if (!isMembers(from) || !isText(from.updateId)) return null;
  const aboutBase = state === 'BUSY' ? from.target === 'base' : /_(WITH)?BASE$/.test(String(state));
  return aboutBase ? from.updateId : null;
}

/** Where the agent stood. */
export const upgradeStanding: Upgrade = (value, version) => {
  if (version >= 2 || !isMembers(value) || !isMembers(value.snapshot)) return value;
  const { snapshot } = value;
  if (!isMembers(snapshot.memory)) return value;
  const memory = { ...snapshot.memory, failedPatch: failedPatchOf(snapshot) };
  return { ...value, snapshot: { ...snapshot, memory } };
};
