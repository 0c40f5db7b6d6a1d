/** A machine for the host service to act on: it says what was done, and throws for what is on nobody's list. */
import assert from 'node:assert/strict';
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HostOperations } from '../src/host-service/operations.ts';
import type { PackageVersion, WindowsUpdateEnd } from '../src/install/ports.ts';
import { initialEnvironment } from '../src/slots/boot-environment.ts';

export const services = ['carto@lab.service'];

/** `acted` counts what was done. `violation`: the first thing that nobody may do, whatever became of the call. */
export function createHostMachine(folder: string) {
  const imageFolder = join(folder, 'images');
  mkdirSync(join(imageFolder, 'contents'), { recursive: true });
  writeFileSync(join(folder, 'secret'), 'not for the agent');
  for (const name of ['one', 'ab']) writeFileSync(join(imageFolder, 'contents', name), name);
  symlinkSync(join(folder, 'secret'), join(imageFolder, 'contents', 'link'));
  const inside = `${realpathSync(imageFolder)}/`;
  const seen: { acted: number; violation: unknown } = { acted: 0, violation: null };

  function act(check: () => void): void {
    seen.acted += 1;
    try {
      check();
    } catch (error) {
      seen.violation ??= error;
    }
  }
  /** What a program is given must be no option, no path and no more than one word. */
  const word = (text: string) => assert.match(text, /^[0-9A-Za-z][0-9A-Za-z@+.~:_-]{0,127}$/);
  const lasts = (ms: number) => assert.ok(ms > 0 && ms <= 4 * 3_600_000, `${ms} ms`);
  const packagesAre = (packages: readonly PackageVersion[]) => {
    assert.ok(packages.length > 0 && packages.length <= 10_000);
    for (const { name, version } of packages) for (const text of [name, version ?? 'none']) word(text);
  };
  const content = (text: string) => assert.match(text, /^[0-9a-f]{64}$/);
  const step = async (check: () => void) => {
    act(check);
    return null;
  };
  const updates = async (ids: readonly string[], ms: number): Promise<WindowsUpdateEnd> => {
    act(() => {
      for (const id of ids) word(id);
      lasts(ms);
    });
    return { kind: 'done', installed: [], restartRequired: false, output: '' };
  };

  const operations: HostOperations = {
    async restartService(name) {
      act(() => assert.ok(services.includes(name), name));
      return { kind: 'done', exitCode: 0, output: '' };
    },
    async restartMachine() {
      act(() => undefined);
      return { kind: 'done', exitCode: 0, output: '' };
    },
    bootId: async () => 'boot-1',
    uptimeMs: async () => 1000,
    onMainsPower: async () => true,
    apt: {
      async versionOf(name) {
        act(() => word(name));
        return null;
      },
      async simulate(packages, { timeLimitMs }) {
        act(() => {
          packagesAre(packages);
          lasts(timeLimitMs);
        });
        return { kind: 'simulated', before: [...packages] };
      },
      async install(packages, { timeLimitMs }) {
        act(() => {
          packagesAre(packages);
          lasts(timeLimitMs);
        });
        return { kind: 'done', exitCode: 0, output: '' };
      },
    },
    windows: {
      install: (selection, { timeLimitMs }) =>
        updates(
          selection.kind === 'build' ? [selection.buildTag, ...selection.kbArticles] : selection.updateIds,
          timeLimitMs,
        ),
      uninstall: (ids, { timeLimitMs }) => updates(ids, timeLimitMs),
    },
    slots: {
      async inspect() {
        act(() => undefined);
        return { booted: 'a', environment: initialEnvironment('a') };
      },
      partitionBytes: async () => 4096,
      images: async () => [],
      begin: (of) => step(() => content(of)),
      finish: (of) => step(() => content(of)),
      arm: (trial) => step(() => content(trial.content)),
      markGood: () => step(() => undefined),
      condemn: () => step(() => undefined),
      async write(of, _partition, { path, digest }) {
        act(() => {
          content(of);
          assert.match(digest, /^[0-9a-f]{64}$/);
          assert.ok(realpathSync(path).startsWith(inside), path);
        });
        return { kind: 'written', bytes: 3 };
      },
    },
  };
  return { operations, imageFolder, seen };
}
