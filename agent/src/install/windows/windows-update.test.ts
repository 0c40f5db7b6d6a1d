import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { ComponentSchema } from '@iotdh/proto/update/v1';
import type { RunProgram } from '../process-group.ts';
import { createBench } from '../testing/bench.ts';
import { restorePrevious } from '../testing/pack.ts';
import { realClock } from '../testing/real-clock.ts';
import { createWindowsUpdate } from './windows-update.ts';

const first = '6e2f3c1a-0b6d-4e8b-9a55-2d5a6f1c7e01';
const limits = { timeLimitMs: 1000, signal: new AbortController().signal, operation: 'job/apply' };
const build = { kind: 'build' as const, buildTag: '10.0.26100.2314', kbArticles: ['KB5046617'] };

/** Windows Update that gives recorded answers, in order, and remembers its orders. */
function replay(...names: string[]) {
  const orders: unknown[] = [];
  const rest = [...names];
  const run: RunProgram = (command, { input }) => {
    assert.equal(command.file, 'powershell.exe');
    orders.push(JSON.parse(input ?? ''));
    const recorded = readFileSync(join(import.meta.dirname, 'fixtures', `${rest.shift()}.json`), 'utf8');
    // The script prints it on one line (ConvertTo-Json -Compress).
    const stdout = `${JSON.stringify(JSON.parse(recorded))}\r\n`;
    return Promise.resolve({ kind: 'exited', exitCode: 0, output: stdout, stdout });
  };
  const windows = createWindowsUpdate({ clock: realClock, redact: (text) => text, environment: {}, run });
  return { windows, orders };
}

test('updates are selected by article and by identity, and a wanted restart is told', async () => {
  const { windows, orders } = replay('installed', 'installed');
  const end = await windows.install(build, limits);
  assert.ok(end.kind === 'done' && end.restartRequired);
  assert.deepEqual(end.installed, [first]);
  await windows.install({ kind: 'updates', updateIds: [first] }, limits);
  assert.deepEqual(orders, [
    { action: 'install', kbArticles: ['KB5046617'], updateIds: [], everything: false },
    { action: 'install', kbArticles: [], updateIds: [first], everything: false },
  ]);
});

test('an installation that succeeded in part has failed, and says what was installed and why the rest was not', async () => {
  const end = await replay('partly').windows.install(build, limits);
  assert.ok(end.kind === 'failed');
  assert.deepEqual(end.installed, [first]);
  assert.equal(
    end.reason,
    'installing failed in install: KB2267602 0x80240016: another installation is under way, or a restart is pending',
  );
});

test('nothing to install is right only on a machine that has the build', async () => {
  assert.equal((await replay('nothing').windows.install(build, limits)).kind, 'done');
  const later = { ...build, buildTag: '10.0.26100.3000' };
  const end = await replay('nothing').windows.install(later, limits);
  assert.ok(end.kind === 'failed');
  assert.match(
    end.reason,
    /offers nothing for build 10\.0\.26100\.3000; the machine is at 10\.0\.26100\.2314/,
  );
});

test('a source that cannot be reached and a disk that is full are told by their codes', async () => {
  const unreachable = await replay('unreachable').windows.install(build, limits);
  assert.ok(unreachable.kind === 'failed');
  assert.match(unreachable.reason, /0x8024402C: the update source cannot be reached/);
  const full = await replay('download-failed').windows.install(build, limits);
  assert.ok(full.kind === 'failed' && full.installed.length === 0);
  assert.match(full.reason, /in download: KB5046617 0x80070070/);
});

test('what an update installed before it failed is removed again, and what cannot be removed calls for a BASE', async (t) => {
  const component = create(ComponentSchema, {
    id: 'windows',
    title: 'Windows',
    undo: restorePrevious,
    kind: {
      case: 'operatingSystemBuild',
      value: {
        target: { case: 'windows', value: { buildTag: build.buildTag, kbArticles: build.kbArticles } },
      },
    },
  });
  for (const [removal, takenBack] of [
    ['uninstalled', true],
    ['not-removable', false],
  ] as const) {
    const { windows, orders } = replay('partly', removal);
    const { author, apply } = createBench(t, { updateServices: { windows } });
    const outcome = await apply(author.manifest([component]));
    assert.ok(outcome.kind === 'fault');
    assert.equal(outcome.takenBack, takenBack);
    assert.deepEqual(orders.at(-1), {
      action: 'uninstall',
      kbArticles: [],
      updateIds: [first],
      everything: false,
    });
  }
});
