import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { UpgradeOfferSchema } from '@iotdh/proto/bus/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
import type { EffectContext } from '../machine/effect.ts';
import type { Snapshot } from '../machine/snapshot.ts';
import type { Decision } from '../machine/update.ts';
import { newRecord, packOf } from '../updates/record.ts';
import { openUpdates } from '../updates/update-store.ts';
import { createPromptPort } from './prompt-port.ts';
import { createReminders } from './reminders.ts';

const hourMs = 3_600_000;
const begin = 1_700_000_000_000;

/** An update that waits for a person, at a time that passes only while somebody waits. */
function createRig(t: TestContext, window: { notBeforeMs?: number; notAfterMs?: number } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-asking-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const updates = openUpdates(folder, () => {});
  const { notBeforeMs, notAfterMs } = window;
  const manifest = { digest: new Uint8Array(32), name: 'carto', version: '2.0', kind: UpdateKind.PATCH };
  const record = newRecord(
    create(UpgradeOfferSchema, {
      ...{ assignmentId: randomUUID(), transferId: randomUUID(), frameSize: 4096, manifest },
      ...(notBeforeMs !== undefined && { notBefore: timestampFromMs(notBeforeMs) }),
      ...(notAfterMs !== undefined && { notAfter: timestampFromMs(notAfterMs) }),
    }),
    '',
  );
  updates.put(record);
  const pack = packOf(record);
  const update = { updateId: pack.updateId, target: 'patch', manifest: pack.patch } as const;
  const time = { nowMs: begin };
  const withdrawn: string[] = [];
  const interrupted: number[] = [];
  const timers: { atMs: number; callback: () => void }[] = [];
  let decision: Decision | null = null;
  const snapshot = (): Snapshot => ({
    state: 'WAIT_CONFIRM_PATCH',
    pack,
    memory: { finished: null, failedPatch: null, decision },
  });
  const withdrawal = {
    async withdraw(_updateId: string, ending: string, reason: string) {
      withdrawn.push(`${ending}: ${reason}`);
      return true;
    },
  };
  const prompt = createPromptPort({
    ...{ updates, withdrawal, now: () => time.nowMs },
    sleep: async (ms) => {
      time.nowMs += ms;
    },
  });
  const reminders = createReminders({
    ...{ updates, snapshot, withdrawal, now: () => time.nowMs, pending: () => update },
    interrupt: async () => {
      interrupted.push(time.nowMs - begin);
      return null;
    },
    after(ms, callback) {
      const timer = { atMs: time.nowMs + ms, callback };
      timers.push(timer);
      return () => void timers.splice(timers.indexOf(timer), timers.includes(timer) ? 1 : 0);
    },
  });
  const { signal } = new AbortController();
  const context: EffectContext = { id: 'x', attempt: 1, givenUp: false, signal, progress() {} };
  return {
    ...{ updates, time, withdrawn, interrupted, reminders },
    decide(answer: Decision['answer'], untilMs: number | null = null): Decision {
      decision = {
        answer,
        untilMs,
        updateId: update.updateId,
        manifestDigest: update.manifest.digest,
        person: 'p',
      };
      return decision;
    },
    /** When the person is asked, in ms from the beginning; what the port fails with, if they are not. */
    async asked(after: Decision | null = null): Promise<number | string> {
      const result = await prompt.prompt({ kind: 'prompt', update, decision: after }, context);
      return result.kind === 'event' ? time.nowMs - begin : result.reason;
    },
    offeredAgain() {
      const known = updates.get(update.updateId);
      if (known !== null) updates.put({ ...known, offers: known.offers + 1 });
    },
    /** Lets time pass, timer by timer. */
    async pass(ms: number): Promise<void> {
      const untilMs = time.nowMs + ms;
      for (;;) {
        const [next] = timers.toSorted((a, b) => a.atMs - b.atMs);
        if (next === undefined || next.atMs > untilMs) break;
        timers.splice(timers.indexOf(next), 1);
        time.nowMs = next.atMs;
        next.callback();
        await new Promise(setImmediate);
      }
      time.nowMs = untilMs;
    },
  };
}

test('a person is asked at once, or from the time on from which the update may be applied', async (t) => {
  assert.equal(await createRig(t).asked(), 0);
  assert.equal(await createRig(t, { notBeforeMs: begin + hourMs }).asked(), hourMs);
});

test('a person who put it off is asked again when that is over, and not before', async (t) => {
  const rig = createRig(t);
  assert.equal(await rig.asked(rig.decide('postpone', begin + 2 * hourMs)), 2 * hourMs);
});

test('an update whose time is over asks nobody and ends as refused', async (t) => {
  const rig = createRig(t, { notAfterMs: begin - 1 });
  assert.match(String(await rig.asked()), /the time .* is over/);
  assert.deepEqual(rig.withdrawn, ['refused: the time in which it might have been applied is over']);
});

test('while a person is asked, what they put off comes back once when its time has come', async (t) => {
  const rig = createRig(t);
  rig.decide('postpone', begin + hourMs);
  await rig.reminders.look();
  await rig.pass(hourMs - 1000);
  assert.deepEqual(rig.interrupted, []);
  await rig.pass(2 * hourMs);
  assert.equal(rig.interrupted.length, 1);
  assert.ok(rig.interrupted[0]! >= hourMs && rig.interrupted[0]! <= hourMs + 15_000);
});

test('while a person is asked, an update whose time passes ends as refused', async (t) => {
  const rig = createRig(t, { notAfterMs: begin + hourMs });
  await rig.reminders.look();
  await rig.pass(hourMs - 1000);
  assert.deepEqual(rig.withdrawn, []);
  await rig.pass(30_000);
  assert.match(rig.withdrawn[0] ?? '', /^refused: the time/);
});

test('what was declined comes back only when it is offered anew, and then once', async (t) => {
  const rig = createRig(t);
  rig.decide('decline');
  const [record] = rig.updates.all();
  rig.updates.put({ ...record!, declinedOffers: 1 });
  await rig.reminders.look();
  await rig.pass(24 * hourMs);
  assert.deepEqual(rig.interrupted, []);
  rig.offeredAgain();
  await rig.pass(hourMs);
  assert.equal(rig.interrupted.length, 1);
});
