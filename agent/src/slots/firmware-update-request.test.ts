import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { takeFirmwareUpdateRequest } from './firmware-update-request.ts';

test('a request is taken once, and none is there without its file', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-request-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'firmware-update');
  assert.equal(takeFirmwareUpdateRequest(path), false);
  writeFileSync(path, '');
  assert.equal(takeFirmwareUpdateRequest(path), true);
  assert.equal(takeFirmwareUpdateRequest(path), false);
});
