import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { LogLevel } from '@iotdh/proto/agent/v1';
import { ConfigurationSchema } from '@iotdh/proto/bus/v1';
import { type Behaviour, openConfiguration } from './configuration.ts';
import { createTelemetry } from './telemetry.ts';

const defaults: Behaviour = {
  telemetryIntervalMs: 60_000,
  minLogLevel: 'info',
  frameWindow: 32,
  maxPostponeMs: 1000,
};

function pathFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-configuration-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 'configuration.json');
}

test('what the backend says holds over restarts, and what it leaves out is as before', (t) => {
  const path = pathFor(t);
  const open = () => openConfiguration(path, { defaults, onDamaged: () => assert.fail() });
  open().apply(create(ConfigurationSchema, { telemetryInterval: { seconds: 10n }, frameWindow: 8 }));
  const second = open();
  second.apply(
    create(ConfigurationSchema, { minLogLevel: LogLevel.ERROR, maxPostponement: { seconds: 60n } }),
  );
  const expected = {
    telemetryIntervalMs: 10_000,
    minLogLevel: 'error',
    frameWindow: 8,
    maxPostponeMs: 60_000,
  };
  assert.deepEqual(second.now, expected);
  assert.deepEqual(open().now, expected);
});

test('a damaged configuration is set aside, and the settings hold', (t) => {
  const path = pathFor(t);
  writeFileSync(path, '{"telemetry');
  const damaged: string[] = [];
  const configuration = openConfiguration(path, { defaults, onDamaged: (each) => damaged.push(each) });
  assert.deepEqual(configuration.now, defaults);
  assert.deepEqual(damaged, [path]);
});

test('another interval between measurements holds at once, not after the old one', () => {
  const timers = new Map<() => void, number>();
  let intervalMs = 86_400_000;
  const telemetry = createTelemetry({
    facts: { freeDisk: async () => ({ bytes: 1 }), freeMemoryBytes: async () => 1 },
    ...{ disks: {}, outbox: { count: 0, bytes: 0 }, intervalMs: () => intervalMs },
    ...{ tell: async () => ({ kind: 'told' }), now: () => 0, log() {} },
    after(ms, callback) {
      timers.set(callback, ms);
      return () => timers.delete(callback);
    },
  });
  telemetry.start();
  intervalMs = 10_000;
  telemetry.intervalChanged();
  assert.deepEqual([...timers.values()], [10_000]);
});
