/** How much of each metadata file is read at most. A file that is larger is refused before anything in it is looked at. */

/** The four roles of TUF. This project has no delegations. */
export const roles = ['root', 'targets', 'snapshot', 'timestamp'] as const;
export type Role = (typeof roles)[number];

/** Bytes. A key is about 400, a target about 350: room for 1,500 packs. */
export const maxBytes: Readonly<Record<Role, number>> = {
  root: 64 * 1024,
  targets: 512 * 1024,
  snapshot: 16 * 1024,
  timestamp: 16 * 1024,
};

/** Successors of a root that one look follows: a device that missed more needs a newer anchor. */
export const maxRootRotations = 64;

/** Nesting of a metadata file; a target's hashes are at 6. */
export const maxDepth = 16;

/** Members of one object. What the library does for each grows with their number, so this bounds its time. */
export const maxMembers = 4_096;
