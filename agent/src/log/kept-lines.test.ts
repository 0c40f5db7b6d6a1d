import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { LogEntrySchema, LogLevel } from '@iotdh/proto/agent/v1';
import { openKeptLines } from './kept-lines.ts';

const line = (message: string) =>
  create(LogEntrySchema, { level: LogLevel.INFO, component: 'test', message });

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-lines-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

test('lines come back newest first, also after a line that a crash has cut', (t) => {
  const folder = temporaryFolder(t);
  openKeptLines(folder, { maxBytes: 100_000 }).append([line('one'), line('two')]);
  appendFileSync(join(folder, readdirSync(folder)[0] ?? ''), '{"level":"LOG_LEVEL_IN');
  const again = openKeptLines(folder, { maxBytes: 100_000 });
  again.append([line('three')]);
  assert.deepEqual(
    [...again.newestFirst()].map(({ message }) => message),
    ['three', 'two', 'one'],
  );
});

test('the oldest lines go when there is too much', (t) => {
  const folder = temporaryFolder(t);
  const kept = openKeptLines(folder, { maxBytes: 8_000 });
  for (let number = 1; number <= 400; number += 1) kept.append([line(`line ${number}`)]);
  const bytes = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  assert.ok(bytes <= 9_200, `${bytes} bytes are kept`);
  assert.equal([...kept.newestFirst()][0]?.message, 'line 400');
});
