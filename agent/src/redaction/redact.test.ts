import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { LogEntrySchema, LogLevel } from '@iotdh/proto/agent/v1';
import { harmless, identifying } from './corpus.ts';
import { redactEntry, redactText } from './redact.ts';

test('nothing that identifies a patient or opens a door is left of the lines of the corpus', () => {
  for (const { line, secrets } of identifying) {
    const redacted = redactText(line);
    for (const secret of secrets) assert.ok(!redacted.includes(secret), `${secret} is left in: ${redacted}`);
  }
});

test('lines that say nothing about a patient stay as they are', () => {
  for (const line of harmless) assert.equal(redactText(line), line);
});

test('attributes are redacted by their name and by their value', () => {
  const entry = create(LogEntrySchema, {
    level: LogLevel.INFO,
    component: 'carto',
    message: 'stored',
    attributes: { PatientID: '4711', who: 'DOE^JOHN', room: '3' },
  });
  assert.deepEqual(redactEntry(entry).attributes, { PatientID: '[redacted]', who: '[name]', room: '3' });
});

test('a line of the greatest length is redacted in no time', () => {
  for (const text of [
    'a'.repeat(8192),
    'patient '.repeat(1000),
    '^'.repeat(8192),
    '1.'.repeat(4096),
    'patient=a '.repeat(800),
    "A'".repeat(4000),
  ]) {
    const begun = performance.now();
    redactText(text);
    assert.ok(performance.now() - begun < 500, `${text.slice(0, 10)}… took too long`);
  }
});
