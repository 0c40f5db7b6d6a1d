import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FlowFields, OpenFields } from './rhea-internals.ts';
import { checkFlow, checkOpen } from './rhea-limits.ts';

const opened = (fields: object): OpenFields => {
  const open = fields as OpenFields;
  checkOpen(open);
  return open;
};

test('an idle time that would keep a timer busy is lengthened, one that no timer can hold is shortened', () => {
  assert.equal(opened({ idle_time_out: 1 }).idle_time_out, 2_000);
  assert.equal(opened({ idle_time_out: 60_000 }).idle_time_out, 60_000);
  assert.equal(opened({ idle_time_out: 0xffff_ffff }).idle_time_out, 86_400_000);
  assert.equal(opened({ idle_time_out: 0 }).idle_time_out, 0);
});

test('a maximum frame size below the least that the standard allows is refused', () => {
  assert.throws(() => opened({ max_frame_size: 511 }), /below 512/);
  assert.equal(opened({ max_frame_size: 512 }).max_frame_size, 512);
  assert.throws(() => opened({ max_frame_size: 'many' }), /wrong type/);
});

test('credit that would take seconds to drain is cut down', () => {
  const flow = { handle: 0, link_credit: 0xffff_ffff, drain: true } as FlowFields;
  checkFlow(flow, undefined);
  assert.equal(flow.link_credit, 1_048_576);
});
