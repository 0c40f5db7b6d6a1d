/** What people can read about the pending update, and how far it has come. */
import { durationMs } from '@bufbuild/protobuf/wkt';
import type { Manifest } from '@iotdh/proto/update/v1';
import type { Update } from '../machine/update.ts';
import type { Manifests } from './manifests.ts';
import { sourceOf } from './record.ts';
import type { UpdateStore } from './update-store.ts';

/** As `UpdateText` of the local API. */
export type UpdateText = {
  name: string;
  title: string;
  summary: string;
  changes: readonly string[];
  expectedDurationMs: number | null;
  restartsMachine: boolean;
};
export type Progress = { receivedBytes: number; totalBytes: number };

export type UpdateView = {
  describe(update: Update): UpdateText;
  progress(update: Update): Progress;
  onProgress(listener: () => void): () => void;
  /** The transfer has come further. */
  noteProgress(update: Update, progress: Progress): void;
};

export function createUpdateView({
  updates,
  manifests,
}: {
  updates: UpdateStore;
  manifests: Manifests;
}): UpdateView {
  const listeners = new Set<() => void>();
  let newest: { digest: string; progress: Progress } | null = null;

  function describe(update: Update): UpdateText {
    const manifest = manifests.of(update);
    if (manifest !== null) return textOf(manifest);
    const record = updates.get(update.updateId);
    const name = (record && sourceOf(record, update.target)?.ref.name) ?? '';
    // The offer's line is about what was offered: the patch, or a base that was offered by itself.
    const offer = update.target === 'patch' ? record?.offer : record?.baseOffer;
    return {
      name,
      title: offer?.title ?? '',
      summary: '',
      changes: [],
      expectedDurationMs: null,
      restartsMachine: false,
    };
  }

  return {
    describe,
    progress({ updateId, target, manifest: { digest } }) {
      if (newest?.digest === digest) return newest.progress;
      const half = updates.get(updateId)?.[target];
      const bytes = half?.complete === true ? half.carriedBytes : 0;
      return { receivedBytes: bytes, totalBytes: bytes };
    },
    onProgress(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    noteProgress({ manifest: { digest } }, progress) {
      newest = { digest, progress };
      for (const listener of listeners) listener();
    },
  };
}

function textOf(manifest: Manifest): UpdateText {
  const { name, title, summary, expectedDuration, content } = manifest;
  const components = content.case === 'patch' ? content.value.components : [];
  return {
    name,
    title,
    summary,
    changes: components.map((component) => component.title),
    expectedDurationMs: expectedDuration === undefined ? null : durationMs(expectedDuration),
    restartsMachine:
      content.case === 'base' ||
      components.some(({ followUps }) => followUps.some(({ kind }) => kind.case === 'restartMachine')),
  };
}
