import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { bears, openToken } from './token.ts';

function pathFor(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'iotdh-token-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, 'token');
}

test('the first run makes a token that only the agent’s user can read, and later ones keep it', (t) => {
  const path = pathFor(t);
  const token = openToken(path);
  assert.match(token, /^[\w-]{43}$/);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(openToken(path), token);
  assert.notEqual(openToken(pathFor(t)), token);
  assert.deepEqual(readdirSync(join(path, '..')), ['token']);
});

test('what the site allowed others stays allowed', (t) => {
  const path = pathFor(t);
  openToken(path);
  chmodSync(path, 0o640);
  openToken(path);
  assert.equal(statSync(path).mode & 0o777, 0o640);
});

test('a file that holds no token is left alone, and the agent says what to do', (t) => {
  const path = pathFor(t);
  writeFileSync(path, 'hello');
  assert.throws(() => openToken(path), /remove it/);
  assert.equal(readFileSync(path, 'utf8'), 'hello');
});

test('only the token itself is accepted, as a bearer token', () => {
  const token = 'a'.repeat(43);
  for (const header of [`Bearer ${token}`, `bearer  ${token} `]) assert.equal(bears(header, token), true);
  for (const header of [
    null,
    '',
    'Bearer',
    'Bearer ',
    token,
    `Basic ${token}`,
    `Bearer ${token}a`,
    `Bearer ${token} b`,
  ]) {
    assert.equal(bears(header, token), false, String(header));
  }
});
