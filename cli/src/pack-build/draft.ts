/** A manifest in the making: everything but the digests, and where the bytes come from whose digests are lacking. */
import type { Manifest } from '@iotdh/proto/update/v1';
import type { Problem } from './problem.ts';
import type { Locate } from './yaml-field.ts';

/** Bytes that go into a pack: a file, or a script that stands in the description itself. */
export type Source =
  | { kind: 'file'; path: string }
  | { kind: 'text'; bytes: Uint8Array /** For messages. */; path: string };

/** A part of the manifest that names a content by its digest, which is written there once it is known. */
export type Named = { digest: Uint8Array };

/** What reading a description yields. */
export type Draft = {
  manifest: Manifest;
  /** In the order of the manifest. */
  contents: { source: Source; named: Named; onSize?(bytes: number): void }[];
  /** Packs, folders and files that devices may have, to make deltas from. */
  bases: string[];
  problems: Problem[];
  /** Where a field of the manifest stands in the description. */
  at: Locate;
};
