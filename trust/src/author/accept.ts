/** Whether a repository may take new offline metadata in: what a device would ask of them, asked where their author still is. */
import type { Metadata, Root, Targets } from '@tufjs/models';
import { readMetadata } from '../format/read-metadata.ts';
import { type Refused, refused } from '../format/refusal.ts';
import { latestEndMs, lifetimeMs } from './roots.ts';
import { thresholdOf } from './sign.ts';

const dayMs = 86_400_000;

export type Accepted<T extends Root | Targets> = { kind: 'accepted'; metadata: Metadata<T> } | Refused;

/**
 * `current` null: this is to be the first one, and its version says where the chain begins. One that has expired is accepted: it
 * can still vouch for its successor, so only the last of a chain has to be good.
 */
export function acceptRoot(current: Root | null, bytes: Uint8Array): Accepted<Root> {
  const read = readMetadata('root', bytes);
  if (read.kind === 'refused') return read;
  const { metadata } = read;
  const { signed } = metadata;
  if (!signed.consistentSnapshot)
    return refused('unsupported', 'root metadata must have consistent snapshots');
  if (current !== null && signed.version !== current.version + 1) {
    return refused('wrong_version', `root ${current.version + 1} is due, not ${signed.version}`);
  }
  for (const root of current === null ? [signed] : [current, signed]) {
    const lacking = lack(root, 'root', metadata, `root ${root.version}`);
    if (lacking !== undefined) return lacking;
  }
  return { kind: 'accepted', metadata };
}

export function acceptTargets(
  root: Root,
  current: Targets | null,
  bytes: Uint8Array,
  nowMs: number,
): Accepted<Targets> {
  const read = readMetadata('targets', bytes);
  if (read.kind === 'refused') return read;
  const { metadata } = read;
  const { signed } = metadata;
  const due = (current?.version ?? 0) + 1;
  if (signed.version !== due)
    return refused('wrong_version', `targets ${due} are due, not ${signed.version}`);
  if (signed.delegations !== undefined) return refused('unsupported', 'targets may not delegate');
  const lacking = lack(root, 'targets', metadata, `root ${root.version}`);
  if (lacking !== undefined) return lacking;
  if (signed.isExpired(new Date(nowMs))) return refused('expired', `targets ${signed.version} have expired`);
  return endsTooLate('targets', signed, nowMs) ?? { kind: 'accepted', metadata };
}

/**
 * What people sign they have to look at again: nobody may make it good for longer than it is when it is made here. Asked of what is
 * new only, and never by a device, which takes what its root's keys have signed.
 */
export function endsTooLate(
  role: 'root' | 'targets',
  { version, expires }: Pick<Root | Targets, 'version' | 'expires'>,
  nowMs: number,
): Refused | undefined {
  if (Date.parse(expires) <= latestEndMs(role, nowMs)) return undefined;
  const days = lifetimeMs[role] / dayMs;
  return refused(
    'ends_too_late',
    `${role} ${version} would be good until ${expires}, for more than ${days} days`,
  );
}

function lack(
  root: Root,
  role: 'root' | 'targets',
  metadata: Metadata<Root> | Metadata<Targets>,
  by: string,
): Refused | undefined {
  const { met, signed, needed } = thresholdOf(root, role, metadata);
  return met
    ? undefined
    : refused(
        'unsigned',
        `${role} ${metadata.signed.version} has ${signed.length} of the ${needed} signatures that ${by} asks for`,
      );
}
