import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Answer } from '../machine/machine.ts';
import type { Unavailable } from '../machine/runner.ts';
import { createFirmwareUpdateRequest } from './firmware-update-request.ts';

const noted: Answer = { kind: 'noted' };

/** A data folder with the file, and starts of an agent that finds it or not. */
function station(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-request-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'firmware-update-requested');
  writeFileSync(path, '');
  const said: string[] = [];
  let submitted = 0;
  function start(answer: () => Answer | Unavailable = () => noted) {
    return createFirmwareUpdateRequest({
      path,
      async submit() {
        submitted += 1;
        return answer();
      },
      log: ({ message }) => void said.push(message),
    });
  }
  return { start, said, isThere: () => existsSync(path), submitted: () => submitted };
}

test('a request confirms the base that waits, once, and its file goes after that is durable', async (t) => {
  const { start, said, isThere, submitted } = station(t);
  let thereWhenSubmitted = false;
  const request = start(() => {
    thereWhenSubmitted = isThere();
    return noted;
  });
  await request.onState('READY_WITHBASE');
  assert.equal(submitted(), 0);
  await request.onState('WAIT_CONFIRM_BASE');
  await request.onState('WAIT_CONFIRM_BASE');
  assert.equal(submitted(), 1);
  assert.ok(thereWhenSubmitted, 'a crash on the way loses nothing');
  assert.equal(isThere(), false);
  assert.deepEqual(said, []);
});

test('where no base waits at the start the request is spent with a warning, and the base that comes later is not confirmed', async (t) => {
  const { start, said, isThere, submitted } = station(t);
  const request = start();
  await request.onState('BUSY');
  await request.onState('WAIT_CONFIRM_BASE');
  assert.equal(submitted(), 0);
  assert.equal(isThere(), false);
  assert.deepEqual(said, ['firmware update was asked for, but no base waits']);
});

test('a crash between the confirmation and the end of the file confirms no second base', async (t) => {
  const { start, said, isThere, submitted } = station(t);
  const request = start();
  await request.onState('APPLYING_BASE');
  await request.onState('WAIT_CONFIRM_BASE');
  assert.equal(submitted(), 0);
  assert.equal(isThere(), false);
  assert.deepEqual(said, []);
});

test('what could not be recorded stays for the next start', async (t) => {
  const { start, said, isThere } = station(t);
  await start(() => ({ kind: 'unavailable', reason: 'stopping' })).onState('WAIT_CONFIRM_BASE');
  assert.ok(isThere());
  assert.match(said[0] ?? '', /next start/);
  await start().onState('WAIT_CONFIRM_BASE');
  assert.equal(isThere(), false);
});

test('without the file nothing is asked for', async (t) => {
  const { start, submitted } = station(t);
  await start().onState('BUSY');
  await start().onState('WAIT_CONFIRM_BASE');
  assert.equal(submitted(), 0);
});
