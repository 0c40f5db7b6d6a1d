import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { create, toJson } from '@bufbuild/protobuf';
import { StepOutcomeSchema, StepResult, UpdateStep } from '@iotdh/proto/bus/v1';
import { FileSetMode, type Manifest } from '@iotdh/proto/update/v1';
import type { InstallOutcome } from './outcome.ts';
import { createBench } from './testing/bench.ts';
import { forgetAsked, installOn } from './testing/machine.ts';
import { irreversible } from './testing/pack.ts';
import { plant, treeOf } from './testing/tree.ts';

const restartService = (name: string) => ({ kind: { case: 'restartService' as const, value: { name } } });
const restartMachine = { kind: { case: 'restartMachine' as const, value: {} } };
const check = (title: string, kind: object, more = {}) => ({ title, kind, ...more }) as never;
const filesMatch = check('the files are there', { case: 'filesMatch', value: {} });

const nameIn = (names: Record<string, number>, number: number) =>
  Object.keys(names).find((name) => names[name] === number);

/** Each step as 'step subject result'. */
function stepsOf(outcome: InstallOutcome): string[] {
  if (outcome.kind !== 'applied' && outcome.kind !== 'fault')
    assert.fail(`it ended ${JSON.stringify(outcome)}`);
  return outcome.steps.map(
    ({ step, subject, result }) => `${nameIn(UpdateStep, step)} ${subject} ${nameIn(StepResult, result)}`,
  );
}

test('a patch with files, connections and scripts is applied, checked and committed, and leaves nothing behind', async (t) => {
  const { machine, author, apply, installer } = createBench(t);
  plant(machine.roots.app!.path, { 'bin/carto': 'old', 'old.conf': 'x' });
  await machine.connections.write('log-collection', '', { host: 'old.example', port: '443' });
  await machine.products.set('app', '1.0');
  const manifest = author.manifest([
    author.files(
      'app',
      { 'bin/carto': 'new', 'share/doc/readme': 'hello' },
      {
        followUps: [
          restartService('carto'),
          { kind: { case: 'script', value: author.script('echo followed') } },
        ],
        checks: [
          filesMatch,
          check('the version', { case: 'installedVersion', value: { product: 'app', version: '2.0' } }),
        ],
      },
    ),
    author.connection('logs', 'new.example', { secretName: 'log-key' }),
    author.automation('tidy', [author.script('touch "$MACHINE/tidied"; echo hunter2 is the word')]),
  ]);

  const outcome = await apply(manifest);

  assert.equal(outcome.kind, 'applied');
  assert.deepEqual(stepsOf(outcome), [
    'PREFLIGHT  OK',
    'STAGE app OK',
    'STAGE logs OK',
    'STAGE tidy OK',
    'APPLY app OK',
    'FOLLOW_UP app OK',
    'FOLLOW_UP app OK',
    'APPLY logs OK',
    'APPLY tidy OK',
    'CHECK app OK',
    'CHECK app OK',
    'COMMIT  OK',
  ]);
  assert.deepEqual(treeOf(machine.roots.app!.path), {
    'bin/': '',
    'bin/carto': 'new',
    'share/': '',
    'share/doc/': '',
    'share/doc/readme': 'hello',
  });
  assert.deepEqual(await machine.connections.read('log-collection', ''), {
    host: 'new.example',
    port: '443',
    key: 'secret of log-key',
  });
  assert.equal(await machine.products.versionOf('app'), '2.0');
  assert.ok(existsSync(join(machine.folder, 'tidied')));
  assert.deepEqual(machine.asked(), ['restart carto']);
  assert.deepEqual(readdirSync(join(machine.folder, 'roots')), ['app']);
  const tidy = outcome.steps.find(({ step, subject }) => step === UpdateStep.APPLY && subject === 'tidy');
  assert.equal(tidy?.outputTail, '[redacted] is the word\n');
  assert.equal(tidy?.exitCode, 0);

  const steps = outcome.steps.map((step) => toJson(StepOutcomeSchema, step));
  const again = await apply(manifest);
  assert.ok(again.kind === 'applied');
  assert.deepEqual(
    again.steps.map((step) => toJson(StepOutcomeSchema, step)),
    steps,
    'the same answer, and nothing done again',
  );
  await installer.forget('job');
  assert.deepEqual(readdirSync(join(machine.stateFolder, 'jobs')), []);
});

test('a check that fails takes everything back in reverse, and the services run the old version again', async (t) => {
  const { machine, author, apply } = createBench(t);
  plant(machine.roots.app!.path, { 'bin/carto': 'old' });
  plant(machine.roots.tool!.path, { 'a.conf': '1', 'b.conf': '2' });
  await machine.connections.write('log-collection', '', { host: 'old.example' });
  const before = treeOf(join(machine.folder, 'roots'));
  const manifest = author.manifest([
    author.files('app', { 'bin/carto': 'new' }, { followUps: [restartService('carto')] }),
    author.files(
      'tool',
      { 'a.conf': '10', 'b.conf': null, 'new/c.conf': '3' },
      { mode: FileSetMode.MERGE, root: 'tool' },
    ),
    author.connection('logs', 'new.example'),
    author.automation('tidy', [author.script('touch "$MACHINE/tidied"')], {
      undo: { kind: { case: 'script', value: author.script('rm "$MACHINE/tidied"') } },
      checks: [check('all is well', { case: 'script', value: author.script('echo it is not; exit 3') })],
    }),
  ]);

  const outcome = await apply(manifest);

  assert.ok(outcome.kind === 'fault' && outcome.takenBack);
  assert.equal(
    outcome.reason,
    'tidy (What tidy does), check: "all is well" did not pass: the script exited with 3',
  );
  assert.deepEqual(stepsOf(outcome).slice(-6), [
    'CHECK tidy FAILED',
    'UNDO tidy OK',
    'UNDO logs OK',
    'UNDO tool OK',
    'UNDO app OK',
    'FOLLOW_UP app OK',
  ]);
  const failed = outcome.steps.find(({ result }) => result === StepResult.FAILED);
  assert.equal(failed?.exitCode, 3);
  assert.equal(failed?.outputTail, 'it is not\n');
  assert.deepEqual(treeOf(join(machine.folder, 'roots')), before);
  assert.deepEqual(await machine.connections.read('log-collection', ''), { host: 'old.example' });
  assert.equal(await machine.products.versionOf('app'), null);
  assert.ok(!existsSync(join(machine.folder, 'tidied')));
  assert.deepEqual(machine.asked(), ['restart carto', 'restart carto']);
});

test('settings that do not connect are taken back at once, and the rest with them', async (t) => {
  const { machine, author, apply } = createBench(t);
  await machine.connections.write('log-collection', '', { host: 'old.example' });
  const manifest = author.manifest([
    author.files('app', { 'bin/carto': 'new' }),
    author.connection('logs', 'nowhere', { undo: irreversible }),
  ]);

  const outcome = await apply(manifest);

  assert.ok(outcome.kind === 'fault' && outcome.takenBack);
  assert.match(outcome.reason, /log-collection did not connect within 200 ms; the old settings are back/);
  assert.deepEqual(await machine.connections.read('log-collection', ''), { host: 'old.example' });
  assert.equal(treeOf(machine.roots.app!.path), null, 'there was no root, and there is none');
});

test('what cannot be taken back is reported so, and the rest is taken back all the same', async (t) => {
  const { machine, author, apply } = createBench(t);
  plant(machine.roots.app!.path, { 'bin/carto': 'old' });
  const manifest = author.manifest([
    author.files('app', { 'bin/carto': 'new' }),
    author.automation('convert', [author.script('exit 0')]),
    author.automation('late', [author.script('exit 9')], {
      undo: { kind: { case: 'script', value: author.script('exit 0') } },
    }),
  ]);

  const outcome = await apply(manifest);

  assert.ok(outcome.kind === 'fault' && !outcome.takenBack);
  assert.deepEqual(stepsOf(outcome).slice(-4), [
    'APPLY late FAILED',
    'UNDO late OK',
    'UNDO convert FAILED',
    'UNDO app OK',
  ]);
  assert.deepEqual(treeOf(machine.roots.app!.path), { 'bin/': '', 'bin/carto': 'old' });
});

test('a restart of the machine comes after all changes and before the checks, and the job goes on after the boot', async (t) => {
  const { machine, author, apply } = createBench(t);
  const manifest = author.manifest([
    author.files('app', { 'bin/carto': 'new' }, { followUps: [restartMachine], checks: [filesMatch] }),
    author.automation('tidy', [author.script('touch "$MACHINE/tidied"')]),
  ]);

  assert.deepEqual(await apply(manifest), { kind: 'restarting' });
  assert.ok(existsSync(join(machine.folder, 'tidied')));
  assert.deepEqual(await apply(manifest), { kind: 'restarting' }, 'the same boot still: it is asked again');
  machine.boot();
  const outcome = await apply(manifest);

  assert.deepEqual(stepsOf(outcome).slice(-3), ['FOLLOW_UP app OK', 'CHECK app OK', 'COMMIT  OK']);
  assert.deepEqual(machine.asked(), ['restart the machine', 'restart the machine']);
});

test('a content that is missing or wrong ends before anything changes, and the next attempt begins anew', async (t) => {
  const { machine, author, apply, installer } = createBench(t);
  plant(machine.roots.app!.path, { 'bin/carto': 'old' });
  const before = treeOf(machine.folder);
  const manifest = author.manifest([author.files('app', { 'bin/carto': 'new', 'lib/x': 'library' })]);
  const library = Buffer.from(author.content('library')).toString('hex');

  writeFileSync(machine.contentPath(library), 'tampered');
  assert.deepEqual(await apply(manifest), {
    kind: 'failed',
    reason: 'app: the content of lib/x is not what its digest says',
  });
  rmSync(machine.contentPath(library));
  assert.deepEqual(await apply(manifest), {
    kind: 'failed',
    reason: 'app: the content of lib/x is not on disk',
  });
  assert.deepEqual(treeOf(join(machine.folder, 'roots')), {
    'app/': '',
    'app/bin/': '',
    'app/bin/carto': 'old',
  });
  assert.ok(before !== null);

  author.content('library');
  assert.equal((await apply(manifest)).kind, 'applied');
  await installer.forget('job');
});

test('a disk that is full while staging changes nothing', async (t) => {
  const { machine, author, apply } = createBench(t, {
    onFailPoint(point) {
      if (point === 'file_staged')
        throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
    },
  });
  plant(machine.roots.app!.path, { 'bin/carto': 'old' });
  const outcome = await apply(author.manifest([author.files('app', { 'bin/carto': 'new' })]));
  assert.deepEqual(outcome, { kind: 'failed', reason: 'app: ENOSPC: no space left', passing: true });
  assert.deepEqual(treeOf(join(machine.folder, 'roots')), {
    'app/': '',
    'app/bin/': '',
    'app/bin/carto': 'old',
  });
});

test('a job that is stopped in the middle of a script goes on with it later', async (t) => {
  const { machine, author, manifestOf } = createBench(t);
  const script = author.script('[ -e "$MACHINE/second" ] && exit 0; touch "$MACHINE/second"; sleep 60');
  const manifest: Manifest = manifestOf([author.automation('slow', [script])]);
  const stop = new AbortController();
  const job = { id: 'job', manifest, contentPath: machine.contentPath, progress() {} };
  const stopped = installOn(machine, {
    onFailPoint(point, subject) {
      if (point === 'step_begun' && subject === 'apply:slow') setImmediate(() => stop.abort());
    },
  }).apply({ ...job, signal: stop.signal });
  assert.deepEqual(await stopped, { kind: 'failed', reason: 'the agent stops; it goes on where it was' });
  writeFileSync(join(machine.folder, 'second'), '');
  const outcome = await installOn(machine).apply({ ...job, signal: new AbortController().signal });
  assert.equal(outcome.kind, 'applied');
  forgetAsked(machine);
});

test('a job that is half applied is not forgotten', async (t) => {
  const { machine, author, apply } = createBench(t);
  const manifest = author.manifest([author.files('app', { x: 'new' }, { followUps: [restartMachine] })]);
  assert.equal((await apply(manifest)).kind, 'restarting');
  await assert.rejects(installOn(machine).forget('job'), /half applied/);
});

test('an outcome keeps to the limits of the contract', async (t) => {
  const { author, apply } = createBench(t);
  const noisy = author.script('head -c 200000 /dev/zero | tr "\\0" "ä"; exit 7', { maxOutputBytes: 100_000 });
  const outcome = await apply(author.manifest([author.automation('noisy', [noisy])]));
  assert.ok(outcome.kind === 'fault');
  const failed = outcome.steps.find(({ result }) => result === StepResult.FAILED)!;
  assert.ok(Buffer.byteLength(failed.outputTail) <= 4096);
  assert.match(failed.outputTail, /^\[\d+ bytes before this are left out\]\n/);
  assert.equal(create(StepOutcomeSchema, failed).exitCode, 7);
});
