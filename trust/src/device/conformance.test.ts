/**
 * What a device keeps of each look, the refused ones too, as TUF's conformance suite asks of the top-level roles. What the verdict is
 * on a manifest is in `workflow.test.ts`.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Role, Signer } from '../author/index.ts';
import { addSignature, encodeMetadata } from '../author/index.ts';
import type { Rule } from '../format/refusal.ts';
import { createRepository, manifest, newSigner, parsed, sha256 } from '../testing/repository.ts';
import { memoryStorage } from './storage.ts';
import { openTrustedTime } from './trusted-time.ts';
import { runWorkflow } from './workflow.ts';

const nowMs = Date.UTC(2026, 10, 23);
const roles = ['root', 'timestamp', 'snapshot', 'targets'] as const;
type Named = { version: number; hashes: Record<string, string>; length?: number };
type SignedJson = { version: number; expires: string; meta: Record<string, Named>; [more: string]: unknown };
type Json = { signed: SignedJson; signatures: { keyid: string; sig: string }[] };
type Edit = (signed: SignedJson) => unknown;

/** A device that has seen version 1 of everything, and a repository with version 2 of all but the root. */
async function rig() {
  const repository = await createRepository({ nowMs });
  const { signers } = repository;
  const files = new Map<string, Uint8Array>();
  const asked: string[] = [];
  const storage = memoryStorage();
  let atMs = nowMs;

  function serve(): void {
    for (const { role, version, bytes } of repository.files())
      files.set(role === 'timestamp' ? 'timestamp.json' : `${version}.${role}.json`, bytes);
  }

  const readJson = (name: string) => JSON.parse(Buffer.from(files.get(name)!).toString()) as Json;

  const rigged = {
    ...{ repository, signers, files, asked, storage },
    /** The rule that refuses, or 'trusted', and the versions that the device keeps after it, in the order of `roles`. */
    look(anchor: Uint8Array = repository.anchor): [Rule | 'trusted', string] {
      const time = openTrustedTime({ storage: memoryStorage(), builtAtMs: atMs, uptimeMs: () => 0 });
      asked.length = 0;
      const found = runWorkflow({ storage, anchor, time, judgesExpiry: true }, (name) => {
        asked.push(name);
        return files.get(name) ?? null;
      });
      const kept = roles.map((role) => {
        const bytes = storage.read(`${role}.json`);
        return bytes === null ? '-' : parsed(role, bytes).signed.version;
      });
      return [found.kind === 'refused' ? found.rule : 'trusted', kept.join(' ')];
    },
    later: (ms: number) => {
      atMs += ms;
    },
    /** The file once more, its content edited and signed by these. */
    async change(name: string, role: Role, edit: Edit, by: readonly Signer[] = signers[role]) {
      const json = readJson(name);
      edit(json.signed);
      const unsigned = parsed(role, Buffer.from(JSON.stringify({ ...json, signatures: [] })));
      const metadata = unsigned as Parameters<typeof addSignature>[0];
      for (const signer of by) await addSignature(metadata, signer);
      files.set(name, encodeMetadata(metadata));
      return files.get(name)!;
    },
    /** The same bytes with other signatures. */
    resign(name: string, edit: (signatures: Json['signatures']) => void) {
      const json = readJson(name);
      edit(json.signatures);
      files.set(name, Buffer.from(JSON.stringify(json)));
    },
    /** What names the next file, brought in line with its bytes. */
    rename: (name: string, role: 'snapshot' | 'timestamp', meta: string, edit: (named: Named) => unknown) =>
      rigged.change(name, role, ({ meta: all }) => edit(all[meta]!)),
    /** A root that follows, served with what is there. */
    async rotate(...args: Parameters<typeof repository.rotate>) {
      await repository.rotate(...args);
      serve();
    },
  };
  storage.write('root.json', repository.anchor);
  await repository.publish(manifest('carto', '8.1'));
  serve();
  assert.deepEqual(rigged.look(), ['trusted', '1 1 1 1']);
  await repository.publish(manifest('carto', '8.2'));
  serve();
  return rigged;
}
type Rig = Awaited<ReturnType<typeof rig>>;

const stranger = newSigner();
const [snapshot2, targets2, timestamp] = ['2.snapshot.json', '2.targets.json', 'timestamp.json'] as const;
/** Makes the hash in the file before right again, so that only what a case is about is wrong. */
const follow = async ({ rename, files }: Rig, role: 'snapshot' | 'targets') => {
  const of = (bytes: Uint8Array) => ({ hashes: { sha256: sha256(bytes) }, length: bytes.length });
  const put = (name: string) => (meta: Named) => Object.assign(meta, of(files.get(name)!));
  if (role === 'targets') await rename(snapshot2, 'snapshot', 'targets.json', put(targets2));
  await rename(timestamp, 'timestamp', 'snapshot.json', put(snapshot2));
};

const cases: [what: string, rule: Rule | 'trusted', kept: string, spoil: (rig: Rig) => unknown][] = [
  ['nothing is wrong', 'trusted', '1 2 2 2', () => {}],
  [
    'a root that only its own keys sign',
    'unsigned',
    '1 1 1 1',
    (r) => r.rotate({ root: { keys: [stranger.key], threshold: 1 } }, [stranger]),
  ],
  [
    'a root that only the keys before sign',
    'unsigned',
    '1 1 1 1',
    (r) => r.rotate({ root: { keys: [stranger.key], threshold: 1 } }),
  ],
  [
    'a timestamp of a stranger',
    'unsigned',
    '1 1 1 1',
    (r) => r.change(timestamp, 'timestamp', () => {}, [stranger]),
  ],
  [
    'a snapshot of a stranger',
    'unsigned',
    '1 2 1 1',
    async (r) => {
      await r.change(snapshot2, 'snapshot', () => {}, [stranger]);
      await follow(r, 'snapshot');
    },
  ],
  [
    'targets of a stranger',
    'unsigned',
    '1 2 2 1',
    async (r) => {
      await r.change(targets2, 'targets', () => {}, [stranger]);
      await follow(r, 'targets');
    },
  ],
  [
    'a root under the name of another version',
    'rollback',
    '1 1 1 1',
    async (r) => {
      await r.rotate({});
      await r.change('2.root.json', 'root', (signed) => (signed.version = 3));
    },
  ],
  [
    'a snapshot under the name of another version',
    'rollback',
    '1 2 1 1',
    async (r) => {
      await r.change(snapshot2, 'snapshot', (signed) => (signed.version = 3));
      await follow(r, 'snapshot');
    },
  ],
  [
    'targets under the name of another version',
    'rollback',
    '1 2 2 1',
    async (r) => {
      await r.change(targets2, 'targets', (signed) => (signed.version = 3));
      await follow(r, 'targets');
    },
  ],
  ['no snapshot', 'missing_metadata', '1 2 1 1', (r) => r.files.delete(snapshot2)],
  ['no targets', 'missing_metadata', '1 2 2 1', (r) => r.files.delete(targets2)],
  ['no timestamp', 'trusted', '1 1 1 1', (r) => r.files.delete(timestamp)],
  [
    'a snapshot that is not the one that the timestamp names',
    'wrong_bytes',
    '1 2 1 1',
    (r) => r.rename(timestamp, 'timestamp', 'snapshot.json', (meta) => (meta.hashes.sha256 = '0'.repeat(64))),
  ],
  [
    'targets that are not the ones that the snapshot names',
    'wrong_bytes',
    '1 2 2 1',
    async (r) => {
      await r.rename(snapshot2, 'snapshot', 'targets.json', (meta) => (meta.hashes.sha256 = '0'.repeat(64)));
      await follow(r, 'snapshot');
    },
  ],
  [
    'metadata of another role',
    'malformed',
    '1 2 1 1',
    async (r) => {
      r.files.set(snapshot2, r.files.get(targets2)!);
      await follow(r, 'snapshot').catch(() => {});
      await r.rename(timestamp, 'timestamp', 'snapshot.json', (meta) =>
        Object.assign(meta, { hashes: { sha256: sha256(r.files.get(snapshot2)!) } }),
      );
    },
  ],
  [
    'another timestamp of the same version',
    'trusted',
    '1 1 1 1',
    (r) => r.change(timestamp, 'timestamp', (signed) => (signed.version = 1)),
  ],
  [
    'an older timestamp',
    'rollback',
    '1 2 2 2',
    async (r) => {
      r.look();
      await r.change(timestamp, 'timestamp', (signed) => (signed.version = 1));
    },
  ],
  [
    'a timestamp that names an older snapshot',
    'rollback',
    '1 2 2 2',
    async (r) => {
      r.look();
      await r.change(timestamp, 'timestamp', (signed) => (signed.version = 3));
      await r.rename(timestamp, 'timestamp', 'snapshot.json', (meta) => (meta.version = 1));
    },
  ],
  [
    'a snapshot that names older targets',
    'rollback',
    '1 3 2 2',
    async (r) => {
      r.look();
      await next(r, (signed) => (signed.meta['targets.json']!.version = 1));
    },
  ],
  ['a timestamp that has run out', 'expired', '1 1 1 1', (r) => r.later(8 * 86_400_000)],
  [
    'a snapshot that has run out',
    'expired',
    '1 2 1 1',
    async (r) => {
      await r.change(snapshot2, 'snapshot', (signed) => (signed.expires = '2026-11-22T00:00:00Z'));
      await follow(r, 'snapshot');
    },
  ],
  [
    'targets that have run out',
    'expired',
    '1 2 2 1',
    async (r) => {
      await r.change(targets2, 'targets', (signed) => (signed.expires = '2026-11-22T00:00:00Z'));
      await follow(r, 'targets');
    },
  ],
  [
    'a root that has run out',
    'expired',
    '2 1 1 1',
    async (r) => {
      await r.rotate({});
      await r.change('2.root.json', 'root', (signed) => (signed.expires = '2026-11-22T00:00:00Z'));
    },
  ],
  [
    'one key that signs twice where two must',
    'unsigned',
    '2 - - 1',
    async (r) => {
      await r.rotate({ timestamp: { keys: [r.signers.timestamp[0]!.key, stranger.key], threshold: 2 } });
      r.resign(timestamp, (signatures) => signatures.push({ ...signatures[0]!, keyid: stranger.key.keyID }));
    },
  ],
  [
    'one signature twice',
    'malformed',
    '1 1 1 1',
    (r) => r.resign(timestamp, (signatures) => signatures.push(signatures[0]!)),
  ],
  [
    'a wrong signature of nobody beside the right one',
    'trusted',
    '1 2 2 2',
    (r) => r.resign(timestamp, (signatures) => signatures.push({ keyid: '7'.repeat(64), sig: 'ab' })),
  ],
  [
    'fields that nobody knows',
    'trusted',
    '2 2 2 2',
    async (r) => {
      await r.rotate({});
      await r.change('2.root.json', 'root', (signed) => (signed['custom-field'] = { more: 'value' }));
    },
  ],
];

/** A third snapshot and timestamp after the second. */
async function next(r: Rig, edit: Edit): Promise<void> {
  const snapshot3 = '3.snapshot.json';
  r.files.set(snapshot3, r.files.get(snapshot2)!);
  await r.change(snapshot3, 'snapshot', (signed) => {
    signed.version = 3;
    edit(signed);
  });
  await r.change(timestamp, 'timestamp', (signed) => {
    signed.version = 3;
    const bytes = r.files.get(snapshot3)!;
    signed.meta['snapshot.json'] = { version: 3, hashes: { sha256: sha256(bytes) }, length: bytes.length };
  });
}

for (const [what, rule, kept, spoil] of cases) {
  test(`${what}: ${rule}, and what came before it is kept`, async () => {
    const r = await rig();
    await spoil(r);
    assert.deepEqual(r.look(), [rule, kept]);
  });
}

test('files are asked for in the order of the specification, and kept as they came', async () => {
  const r = await rig();
  r.files.set(timestamp, Buffer.concat([r.files.get(timestamp)!, Buffer.from(' \n')]));
  assert.deepEqual(r.look(), ['trusted', '1 2 2 2']);
  assert.deepEqual(r.asked, ['2.root.json', timestamp, snapshot2, targets2]);
  assert.deepEqual(r.storage.read('timestamp.json'), r.files.get(timestamp));
});

test('without a root that is signed and whole nothing is asked for', async () => {
  const { repository } = await rig();
  const json = JSON.parse(repository.anchor.toString()) as Json;
  const { version: _, ...lacking } = json.signed;
  for (const [bent, rule] of [
    [{ ...json, signed: lacking }, 'malformed'],
    [{ ...json, signatures: [{ ...json.signatures[0], sig: 'ab'.repeat(64) }] }, 'unsigned'],
  ] as const) {
    const time = openTrustedTime({ storage: memoryStorage(), builtAtMs: nowMs, uptimeMs: () => 0 });
    const options = { storage: memoryStorage(), time, judgesExpiry: true };
    const anchor = Buffer.from(JSON.stringify(bent));
    const found = runWorkflow({ ...options, anchor }, (name) => assert.fail(`${name} was asked for`));
    assert.equal(found.kind === 'refused' && found.rule, rule);
  }
});

test('roots are followed one by one, and the keys of each role are those of the last', async () => {
  const r = await rig();
  const [second, third] = [newSigner(), newSigner()];
  const alone = ({ key }: Signer) => ({ keys: [key], threshold: 1 });
  await r.rotate({ root: { keys: [r.signers.root[0]!.key, second.key], threshold: 2 } }, [
    ...r.signers.root,
    second,
  ]);
  await r.rotate({ root: alone(third) }, [...r.signers.root, second, third]);
  await r.rotate({ snapshot: alone(second), timestamp: alone(third) }, [third]);
  assert.deepEqual(r.look(), ['unsigned', '4 - - 1'], 'the online files are still those of the old keys');
  await r.change(snapshot2, 'snapshot', () => {}, [second]);
  const meta = { version: 2, hashes: { sha256: sha256(r.files.get(snapshot2)!) } };
  const renamed: Edit = (signed) => (signed.meta['snapshot.json'] = meta);
  await r.change(timestamp, 'timestamp', renamed, [third]);
  assert.deepEqual(r.look(), ['trusted', '4 2 2 2']);
  await r.rotate({ targets: alone(third) }, [third]);
  assert.deepEqual(r.look(), ['unsigned', '5 2 2 2'], 'targets of the old key count no longer');
});

test('after a fast-forward attack with stolen keys a root with other online ones takes every version back', async () => {
  const r = await rig();
  const nameOf = (role: string) => `99999.${role}.json`;
  const named = (name: string, version: number) => ({
    version,
    hashes: { sha256: sha256(r.files.get(name)!) },
  });
  for (const [role, before] of [
    ['targets', targets2],
    ['snapshot', snapshot2],
  ] as const) {
    r.files.set(nameOf(role), r.files.get(before)!);
    await r.change(nameOf(role), role, (signed) => {
      signed.version = 99_999;
      if (role === 'snapshot') signed.meta['targets.json'] = named(nameOf('targets'), 99_999);
    });
  }
  await r.change(timestamp, 'timestamp', (signed) => {
    signed.version = 99_999;
    signed.meta['snapshot.json'] = named(nameOf('snapshot'), 99_999);
  });
  assert.deepEqual(r.look(), ['trusted', '1 99999 99999 99999']);

  const [snapshotKey, timestampKey] = [newSigner(), newSigner()];
  const alone = ({ key }: Signer) => ({ keys: [key], threshold: 1 });
  await r.rotate({ snapshot: alone(snapshotKey), timestamp: alone(timestampKey) });
  await r.change(snapshot2, 'snapshot', () => {}, [snapshotKey]);
  const recovered: Edit = (signed) =>
    Object.assign(signed, { version: 3, meta: { 'snapshot.json': named(snapshot2, 2) } });
  await r.change(timestamp, 'timestamp', recovered, [timestampKey]);
  assert.deepEqual(r.look(), ['trusted', '2 3 2 2']);
});
