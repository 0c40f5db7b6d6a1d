/**
 * The machine and the patch of the tests that kill: a replaced root, a merged one, connections and scripts with every kind of
 * follow-up and check. Two outcomes are possible, and everything on the machine tells which it was.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { FileSetMode, type Manifest } from '@iotdh/proto/update/v1';
import type { InstallOutcome } from '../outcome.ts';
import type { PretendMachine } from './machine.ts';
import { authorOn } from './pack.ts';
import { plant, treeOf } from './tree.ts';

/** 'passes' is applied; 'fails' breaks its last check and is taken back. */
export type Fate = 'passes' | 'fails';

const oldFiles = {
  'app/bin/carto': 'carto 1',
  'app/share/old.txt': 'gone in 2',
  'tool/a.conf': 'a=1',
  'tool/b.conf': 'b=1',
  'tool/kept.conf': 'kept',
};
const newFiles = {
  'app/': '',
  'app/bin/': '',
  'app/bin/carto': 'carto 2',
  'app/lib/': '',
  'app/lib/core.so': 'core 2',
  'tool/': '',
  'tool/a.conf': 'a=2',
  'tool/deep/': '',
  'tool/deep/c.conf': 'c=2',
  'tool/kept.conf': 'kept',
};

/** Brings a machine into the state before the update. */
export async function prepareMachine(machine: PretendMachine): Promise<void> {
  plant(join(machine.folder, 'roots'), oldFiles);
  await machine.products.set('app', '1.0');
  await machine.connections.write('log-collection', '', { host: 'old.example', key: 'old' });
}

/** The same manifest in every process; its contents are on the machine's disk afterwards. */
export function writePatch(machine: PretendMachine, fate: Fate): Manifest {
  const author = authorOn(machine);
  const lastCheck = author.script(fate === 'passes' ? 'test -e "$MACHINE/converted"' : 'exit 1');
  return author.manifest([
    author.files(
      'app',
      { 'bin/carto': 'carto 2', 'lib/core.so': 'core 2' },
      {
        followUps: [{ kind: { case: 'restartService', value: { name: 'carto' } } }],
        checks: [{ title: 'files', kind: { case: 'filesMatch', value: {} } }],
      },
    ),
    author.files(
      'tool',
      { 'a.conf': 'a=2', 'deep/c.conf': 'c=2', 'b.conf': null },
      { root: 'tool', mode: FileSetMode.MERGE },
    ),
    author.connection('logs', 'new.example', { secretName: 'log-key' }),
    author.automation('convert', [author.script('touch "$MACHINE/converted"'), author.script('exit 0')], {
      undo: { kind: { case: 'script', value: author.script('rm -f "$MACHINE/converted"') } },
      checks: [{ title: 'converted', kind: { case: 'script', value: lastCheck } }],
    }),
  ]);
}

/** Asserts that the outcome is the fate's and that nothing on the machine says otherwise. */
export async function assertWhole(
  machine: PretendMachine,
  fate: Fate,
  outcome: InstallOutcome,
  told: string,
) {
  const roots = treeOf(join(machine.folder, 'roots'));
  const settings = await machine.connections.read('log-collection', '');
  const version = await machine.products.versionOf('app');
  const converted = treeOf(machine.folder)?.converted;
  if (fate === 'passes') {
    assert.equal(outcome.kind, 'applied', told);
    assert.deepEqual(roots, newFiles, told);
    assert.deepEqual(settings, { host: 'new.example', key: 'secret of log-key' }, told);
    assert.equal(version, '2.0', told);
    assert.equal(converted, '', told);
  } else {
    assert.ok(outcome.kind === 'fault', told);
    assert.ok(outcome.takenBack, `${told}: ${outcome.reason}`);
    assert.match(outcome.reason, /^convert .*did not pass/, told);
    assert.deepEqual(withoutFolders(roots), oldFiles, told);
    assert.deepEqual(settings, { host: 'old.example', key: 'old' }, told);
    assert.equal(version, '1.0', told);
    assert.equal(converted, undefined, told);
  }
}

function withoutFolders(tree: Record<string, string> | null): Record<string, string> {
  return Object.fromEntries(Object.entries(tree ?? {}).filter(([path]) => !path.endsWith('/')));
}
