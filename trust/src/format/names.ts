/** What files and targets are called. */
import type { Role } from './limits.ts';

/** As in a repository with consistent snapshots: all but the timestamp carry their version. */
export function fileName(role: Role, version: number): string {
  return role === 'timestamp' ? 'timestamp.json' : `${version}.${role}.json`;
}

export type ManifestName = { name: string; version: string };

/** A name and a version are one target, so they cannot mean two manifests. */
export const targetPath = ({ name, version }: ManifestName): string => `${name}/${version}`;

/** Whether an update is a PATCH or a BASE: signed, because a device does with them what differs. */
export type ManifestKind = 'patch' | 'base';
