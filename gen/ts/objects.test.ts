import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { Codec, DeltaFormat, type Manifest, ManifestSchema } from './iotdh/update/v1/index.ts';
import { carriedBytes, chooseObjects, namedContents, type ObjectQuestions } from './objects.ts';

const digest = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const hex = (n: number): string => Buffer.from(digest(n)).toString('hex');

type Given = { id: number; size: number; yields: number[]; base?: number[]; listed?: boolean };

/** A manifest whose files have the contents 1 to `files`, each of 1,000 bytes, with these objects. */
function manifestOf(files: number, objects: readonly Given[]): Manifest {
  const contentOf = (n: number) => ({ digest: digest(n), size: 1_000n });
  const named = Array.from({ length: files }, (_, index) => ({
    path: `f${index + 1}`,
    digest: digest(index + 1),
  }));
  return create(ManifestSchema, {
    content: {
      case: 'patch',
      value: {
        components: [
          { id: 'app', kind: { case: 'hostApplication', value: { files: { root: 'app', files: named } } } },
        ],
      },
    },
    objects: objects.map(({ id, size, yields, base, listed = false }) => ({
      digest: digest(id),
      size: BigInt(size),
      segmentSize: 100,
      contents: yields.map(contentOf),
      encoding:
        base === undefined
          ? { case: 'whole' as const, value: { codec: Codec.ZSTD } }
          : {
              case: 'delta' as const,
              value: { format: DeltaFormat.SEGMENTED, codec: Codec.BROTLI, base: base.map(contentOf) },
            },
      segmentDigests: listed
        ? { case: 'segmentListDigest' as const, value: digest(255) }
        : { case: 'segments' as const, value: { digests: [] } },
    })),
  });
}

/** What a device answers that has these contents and reads deltas. */
const having = (...here: number[]): ObjectQuestions => {
  const names = new Set(here.map(hex));
  return {
    isHere: (content) => names.has(content),
    isUsable: ({ encoding }) =>
      encoding.case !== 'delta' ||
      encoding.value.base.every(({ digest: base }) => names.has(Buffer.from(base).toString('hex'))),
  };
};

function chosen(manifest: Manifest, questions: ObjectQuestions): number[] {
  const choice = chooseObjects(manifest, questions);
  assert.equal(choice.kind, 'chosen');
  return choice.kind === 'chosen' ? choice.objects.map((object) => object.digest[0] ?? 0) : [];
}

test('a delta is taken by a device that has its whole base, and by no other', () => {
  const manifest = manifestOf(1, [
    { id: 100, size: 500, yields: [1] },
    { id: 101, size: 40, yields: [1], base: [50, 51] },
  ]);
  assert.deepEqual(chosen(manifest, having(50, 51)), [101]);
  assert.deepEqual(chosen(manifest, having(50)), [100]);
});

test('what is here already is not carried, and with everything here nothing is', () => {
  const manifest = manifestOf(2, [
    { id: 100, size: 500, yields: [1] },
    { id: 101, size: 500, yields: [2] },
  ]);
  assert.deepEqual(chosen(manifest, having(1)), [101]);
  assert.deepEqual(chosen(manifest, having(1, 2)), []);
});

test('one object that yields many contents is taken instead of many, when that is cheaper', () => {
  const single = [1, 2, 3].map((n) => ({ id: 100 + n, size: 300, yields: [n] }));
  const group = { id: 110, size: 600, yields: [1, 2, 3] };
  assert.deepEqual(chosen(manifestOf(3, [...single, group]), having()), [110]);
  assert.deepEqual(chosen(manifestOf(3, [...single, group]), having(1, 2)), [103]);
});

test('the digests of the segments count when they are an object of their own', () => {
  const manifest = manifestOf(1, [
    { id: 100, size: 1_000, yields: [1], listed: true },
    { id: 101, size: 1_100, yields: [1] },
  ]);
  assert.equal(carriedBytes(manifest.objects[0] ?? assert.fail()), 1_000 + 34 * 10);
  assert.deepEqual(chosen(manifest, having()), [101]);
});

test('a content that no usable object yields is said', () => {
  const manifest = manifestOf(2, [
    { id: 100, size: 500, yields: [1] },
    { id: 101, size: 40, yields: [2], base: [50] },
  ]);
  assert.deepEqual(chooseObjects(manifest, having()), { kind: 'missing', content: hex(2) });
});

/** Park and Miller's generator, so that a failure can be had again. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

/** The cheapest cover there is, by trying them all. */
function cheapest(manifest: Manifest, { isHere, isUsable }: ObjectQuestions): number {
  const lacking = namedContents(manifest).filter((content) => !isHere(content));
  const usable = manifest.objects.filter(isUsable);
  let best = Number.POSITIVE_INFINITY;
  for (let mask = 0; mask < 2 ** usable.length; mask += 1) {
    const some = usable.filter((_, index) => (mask >> index) & 1);
    const yielded = new Set(
      some.flatMap((object) => object.contents.map((content) => Buffer.from(content.digest).toString('hex'))),
    );
    if (lacking.every((content) => yielded.has(content)))
      best = Math.min(
        best,
        some.reduce((sum, object) => sum + carriedBytes(object), 0),
      );
  }
  return best;
}

test('whatever the manifest: everything lacking is yielded, nothing unusable taken, and the price near the least', () => {
  const random = randomFrom(20_261_130);
  const whole = (most: number) => 1 + Math.floor(random() * most);
  let excess = 0;
  for (let round = 0; round < 150; round += 1) {
    const files = whole(6);
    const objects: Given[] = Array.from({ length: files }, (_, index) => ({
      id: 100 + index,
      size: whole(1_000),
      yields: [index + 1],
    }));
    for (let n = 0; n < 4; n += 1) {
      const yields = [...new Set([whole(files), whole(files), whole(files)])];
      const base = random() < 0.5 ? [40 + whole(4)] : undefined;
      objects.push({ id: 120 + n, size: whole(1_500), yields, ...(base && { base }) });
    }
    const manifest = manifestOf(files, objects);
    const questions = having(...[41, 42, whole(files)].filter(() => random() < 0.6));
    const choice = chooseObjects(manifest, questions);
    assert.ok(choice.kind === 'chosen');
    const yielded = new Set(
      choice.objects.flatMap(({ contents }) =>
        contents.map((content) => Buffer.from(content.digest).toString('hex')),
      ),
    );
    for (const content of namedContents(manifest))
      assert.ok(questions.isHere(content) || yielded.has(content));
    assert.ok(choice.objects.every(questions.isUsable));
    const cost = choice.objects.reduce((sum, object) => sum + carriedBytes(object), 0);
    const least = cheapest(manifest, questions);
    assert.ok(cost <= least * 2, `round ${round}: ${cost} instead of ${least}`);
    excess += least === 0 ? 0 : cost / least - 1;
  }
  assert.ok(excess / 150 < 0.03, `${excess / 150} too much on average`);
});
