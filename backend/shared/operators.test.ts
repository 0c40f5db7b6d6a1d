/** The file of operators, and what proves one. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createOperators, makeOperatorFile, readOperatorTokens } from './operators.ts';

test('a file of operators is made once, for its owner alone, and proves them', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-operators-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'operator');
  makeOperatorFile(path, 'ada');
  const [made] = readOperatorTokens(path);
  makeOperatorFile(path, 'eve');
  assert.deepEqual(readOperatorTokens(path), [made]);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const operators = createOperators(readOperatorTokens(path));
  assert.deepEqual(operators.authenticate(`Bearer ${made?.token}`), { name: 'ada' });
  for (const header of [
    null,
    '',
    'Bearer ',
    `Bearer ${made?.token}x`,
    `Basic ${made?.token}`,
    made?.token ?? '',
  ]) {
    assert.equal(operators.authenticate(header), null, String(header));
  }
});

test('a file that others can read, or that holds anything else, is refused without repeating it', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-operators-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'operator');
  const secret = 'a-secret-that-is-long-enough-0123456789';
  for (const text of [
    '',
    'nonsense',
    `{"name":"","token":"${secret}"}`,
    `{"name":"ada","token":"${secret} x"}`,
  ]) {
    writeFileSync(path, text, { mode: 0o600 });
    assert.throws(
      () => readOperatorTokens(path),
      (error: Error) => !error.message.includes(secret) && error.message.includes(path),
    );
  }
  writeFileSync(path, JSON.stringify({ name: 'ada', token: secret }));
  chmodSync(path, 0o644);
  assert.throws(() => readOperatorTokens(path), /can be read by other users/);
});
