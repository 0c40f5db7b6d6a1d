import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { Codec, ManifestSchema } from '@iotdh/proto/update/v1';
import { openContentStore } from '../content-store.ts';
import { openNotes } from '../notes.ts';
import { createFindings } from '../plan/findings.ts';
import { openSegmentJournal } from '../segment-journal.ts';
import { temporaryFolder } from '../testing/bench.ts';
import { addObject, type Blobs, bytesOf, hex, sha256 } from '../testing/pack.ts';
import { bringObject, letGoOfServed } from './bring-object.ts';
import type { Carrying } from './carry.ts';
import type { Disk } from './disk.ts';
import { createProgressCount } from './progress.ts';

/** A disk on which a carrier puts the object that yields something else than the manifest says, or what is right. */
function createRig(t: TestContext, isRight: boolean) {
  const folder = temporaryFolder(t);
  const blobs: Blobs = new Map();
  const object = addObject(blobs, [bytesOf(5_000, 1)], { codec: Codec.NONE });
  if (!isRight) object.contents[0]!.digest = sha256(bytesOf(5_000, 2));
  const name = hex(object.digest);
  const path = join(folder, `${name}.part`);
  const carrying = {
    async carry() {
      writeFileSync(path, blobs.get(name)!);
      return { kind: 'carried', path, carriedBytes: Number(object.size) } as const;
    },
  } as unknown as Carrying;
  const contents = join(folder, 'contents');
  mkdirSync(contents);
  const notes = openNotes(join(folder, 'notes.db'));
  const journal = openSegmentJournal(join(folder, 'segments.db'));
  t.after(() => [notes, journal].forEach((one) => void one.close()));
  const { signal } = new AbortController();
  const disk: Disk = {
    folder,
    store: openContentStore(contents),
    notes,
    journal,
    view: null,
    findings: createFindings(),
    signal,
  };
  const bring = (changes: Partial<Disk> = {}) =>
    bringObject(object, { carrying, progress: createProgressCount(), disk: { ...disk, ...changes } });
  const letGo = () => letGoOfServed(create(ManifestSchema, { objects: [object] }), disk);
  return { name, path, notes, journal, bring, letGo };
}

for (const isRight of [true, false]) {
  const what = isRight ? 'came' : 'came in vain';
  test(`what ${what} is noted before its bytes are let go, so that a power cut between the two forgets nothing`, async (t) => {
    const { name, path, notes, journal, bring, letGo } = createRig(t, isRight);
    const dying = {
      ...journal,
      forget() {
        throw new Error('the power is cut');
      },
    };
    await assert.rejects(bring({ journal: dying }), /the power is cut/);
    assert.ok(existsSync(path));
    assert.equal(notes.unusable(name) === undefined, isRight);
    const [tally] = notes.origins();
    assert.deepEqual(tally, {
      ...{ origin: 'whole', carriedBytes: 5_000 },
      ...(isRight ? { contents: 1, contentBytes: 5_000 } : { contents: 0, contentBytes: 0 }),
    });
    await letGo();
    assert.ok(!existsSync(path));
  });
}
