/** Tells a test when a file is flushed to the disk: what a power cut would leave, nothing else shows. */
import { open } from 'node:fs/promises';
import type { TestContext } from 'node:test';

/** `onFlush` is called before each `sync` and `datasync` of any file that this process has open by a handle. */
export async function watchFlushes(t: TestContext): Promise<{ onFlush: () => void }> {
  const watch = { onFlush: () => {} };
  const handle = await open(import.meta.filename);
  const prototype = Object.getPrototypeOf(handle) as typeof handle;
  await handle.close();
  for (const name of ['sync', 'datasync'] as const) {
    const flush = prototype[name];
    t.mock.method(prototype, name, function (this: typeof handle) {
      watch.onFlush();
      return flush.call(this);
    });
  }
  return watch;
}
