import assert from 'node:assert/strict';
import { chmodSync, linkSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FileSetMode, type Manifest } from '@iotdh/proto/update/v1';
import { createBench } from '../testing/bench.ts';
import { plant, treeOf } from '../testing/tree.ts';

const merge = { mode: FileSetMode.MERGE } as const;

test('paths that collide, or leave their root, refuse the manifest before a byte moves', async (t) => {
  const { author, installer } = createBench(t);
  const cases: [Record<string, string | null>, RegExp][] = [
    [{ 'Bin/Carto': '1', 'bin/carto': '2' }, /two paths collide at "bin\/carto"/],
    [{ 'caf\u00e9': '1', 'cafe\u0301': '2' }, /two paths collide/],
    [{ lib: '1', 'LIB/x': '2' }, /"LIB" is a file and the folder of "LIB\/x"/],
    [{ '../x': '1' }, /leaves its root/],
    [{ '/etc/passwd': '1' }, /leaves its root/],
    [{ 'a/./b': '1' }, /leaves its root/],
    [{ 'C:x': '1' }, /leaves its root/],
    [{ 'a\\b': '1' }, /leaves its root/],
    [{ x: '1', X: null }, /two paths collide/],
    [{ [`a/${'日'.repeat(86)}/b`]: '1' }, /is too long for a file/],
  ];
  for (const [files, reason] of cases) {
    const unmet = await installer.preflight(author.manifest([author.files('app', files, merge)]));
    assert.ok(unmet.kind === 'unmet', JSON.stringify(files));
    assert.match(unmet.reason, reason);
  }
});

test('a symbolic link in the root that leads outside is not followed', async (t) => {
  const { machine, author, installer, apply } = createBench(t);
  const outside = join(machine.folder, 'outside');
  plant(outside, { x: 'precious' });
  plant(machine.roots.app!.path, { 'real/x': '1' });
  symlinkSync(outside, join(machine.roots.app!.path, 'out'));
  symlinkSync('real', join(machine.roots.app!.path, 'in'));
  const manifest = author.manifest([author.files('app', { 'out/x': 'overwritten' }, merge)]);
  const unmet = await installer.preflight(manifest);
  assert.ok(unmet.kind === 'unmet');
  assert.match(unmet.reason, /is a symbolic link that leads outside/);
  assert.equal((await apply(manifest)).kind, 'fault');
  assert.deepEqual(treeOf(outside), { x: 'precious' });

  const inside = author.manifest([author.files('app', { 'in/x': '2' }, merge)]);
  assert.equal((await apply(inside)).kind, 'applied', 'one that stays inside is followed');
  assert.equal(readFileSync(join(machine.roots.app!.path, 'real', 'x'), 'utf8'), '2');
});

test('a link that appears after the preflight is noticed when the files are swapped', async (t) => {
  const { machine, author, apply } = createBench(t, {
    onFailPoint(point) {
      if (point === 'file_staged')
        symlinkSync(join(machine.folder, 'outside'), join(machine.roots.app!.path, 'late'));
    },
  });
  plant(join(machine.folder, 'outside'), { x: 'precious' });
  mkdirSync(machine.roots.app!.path);
  const outcome = await apply(author.manifest([author.files('app', { 'late/x': 'overwritten' }, merge)]));
  assert.ok(outcome.kind === 'fault' && outcome.takenBack);
  assert.deepEqual(treeOf(join(machine.folder, 'outside')), { x: 'precious' });
});

test('a staged byte that changes before the swap is never applied', async (t) => {
  const { machine, author, manifestOf } = createBench(t);
  const { installOn } = await import('../testing/machine.ts');
  plant(machine.roots.app!.path, { x: 'old' });
  const manifest: Manifest = manifestOf([author.files('app', { x: 'new' })]);
  const stop = new AbortController();
  const job = { id: 'job', manifest, contentPath: machine.contentPath, progress() {} };
  const first = installOn(machine, {
    onFailPoint: (point, subject) => point === 'step_ended' && subject === 'stage:app' && stop.abort(),
  });
  assert.equal((await first.apply({ ...job, signal: stop.signal })).kind, 'failed');
  writeFileSync(join(`${machine.roots.app!.path}.update-job-app`, 'new', 'x'), 'tampered');

  const outcome = await installOn(machine).apply({ ...job, signal: new AbortController().signal });
  assert.ok(outcome.kind === 'fault' && outcome.takenBack);
  assert.match(outcome.reason, /the staged x is not what its digest says/);
  assert.deepEqual(treeOf(machine.roots.app!.path), { x: 'old' });
});

test("permissions are the manifest's for files and the old root's for the root, and a second name of a file is left alone", async (t) => {
  const { machine, author, apply } = createBench(t);
  const root = machine.roots.app!.path;
  plant(root, { 'bin/carto': 'old' });
  chmodSync(root, 0o750);
  linkSync(join(root, 'bin/carto'), join(machine.folder, 'second-name'));
  const component = author.files('app', { 'bin/carto': 'new' });
  assert.ok(component.kind.case === 'hostApplication');
  component.kind.value.files!.files[0]!.mode = 0o755;
  assert.equal((await apply(author.manifest([component]))).kind, 'applied');
  assert.equal(statSync(root).mode & 0o777, 0o750);
  assert.equal(statSync(join(root, 'bin/carto')).mode & 0o777, 0o755);
  assert.equal(readFileSync(join(machine.folder, 'second-name'), 'utf8'), 'old');
});

test('a root that something makes anew while it is being swapped does not stop the swap', async (t) => {
  const { machine, author, apply } = createBench(t, {
    onFailPoint(point) {
      if (point === 'root_moved_out') plant(machine.roots.app!.path, { 'log.txt': 'a service is quick' });
    },
  });
  plant(machine.roots.app!.path, { x: 'old' });
  assert.equal((await apply(author.manifest([author.files('app', { x: 'new' })]))).kind, 'applied');
  assert.deepEqual(treeOf(join(machine.folder, 'roots')), { 'app/': '', 'app/x': 'new' });
});
