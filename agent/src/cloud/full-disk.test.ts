import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { type LogEntry, LogEntrySchema, LogLevel, StateChangedSchema } from '@iotdh/proto/agent/v1';
import type { StateChange } from '../machine/journal.ts';
import type { Payload } from '../outbox/outbox.ts';
import { createLogShipping } from './log-shipping.ts';
import { type MoveShippingOptions, shipMoves } from './move-shipping.ts';

const noRoom = () => Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
const unexpected = (error: unknown): never => {
  throw error;
};

test('lines that a full disk does not take wait in the spool, and are kept and told once', async () => {
  const entries = [create(LogEntrySchema, { level: LogLevel.WARN, component: 'x', message: 'a line' })];
  const kept: LogEntry[] = [];
  const told: Payload[] = [];
  const waits: (() => void)[] = [];
  const rooms = [false, true];
  let spooled = true;
  const shipping = createLogShipping({
    spool: {
      next: () => (spooled ? { id: 1, entries } : null),
      sent() {
        spooled = false;
        return true;
      },
    },
    kept: {
      append(lines) {
        if (rooms.shift() === false) throw noRoom();
        kept.push(...lines);
      },
      *newestFirst() {},
    },
    least: () => 'info',
    async tell(payload) {
      told.push(payload);
      return { kind: 'told' };
    },
    after(_ms, callback) {
      waits.push(callback);
      return () => {};
    },
    onFailure: unexpected,
  });
  shipping.onLines();
  waits.shift()?.();
  await new Promise(setImmediate);
  assert.equal(told.length, 0);
  waits.shift()?.();
  await new Promise(setImmediate);
  await shipping.stop();
  assert.equal(kept.length, 1);
  assert.equal(told.length, 1);
});

const onLinux = { skip: process.platform !== 'linux' && '/dev/full is Linux’s' };

test(
  'what cannot be written down about moves is written once there is room, and no move is told twice',
  onLinux,
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'iotdh-full-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'shipped.json');
    const fullDisk = `${path}.making`;
    symlinkSync('/dev/full', fullDisk);
    const stop = new AbortController();
    const told: Payload[] = [];
    let waits = 0;
    const move = (sequence: number) => ({ sequence, to: 'READY', update: null }) as unknown as StateChange;
    const options: MoveShippingOptions = {
      path,
      async *moves({ sequence: last }) {
        for (const sequence of [1, 2]) if (sequence > last) yield { kind: 'changed', change: move(sequence) };
        stop.abort();
      },
      journal: { id: 'j', oldestSequence: () => 1 },
      recordOf: () => create(StateChangedSchema),
      traceOf: () => '',
      async tell(payload) {
        told.push(payload);
        return { kind: 'told' };
      },
      async sleep() {
        waits += 1;
        if (waits === 3) unlinkSync(fullDisk);
      },
      onDamaged: unexpected,
    };
    await shipMoves(options, stop.signal);
    assert.equal(waits, 3);
    assert.equal(told.length, 2);
    assert.equal(JSON.parse(readFileSync(path, 'utf8')).sequence, 2);
  },
);
