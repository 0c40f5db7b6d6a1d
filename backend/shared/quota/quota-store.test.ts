import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testDatabase } from '../testing/test-database.ts';
import type { Step } from './account.ts';
import type { HubPolicy } from './hub-settings.ts';
import { createQuotaStore } from './quota-store.ts';

const policy: HubPolicy = {
  hub: { sku: 'S1', units: 1 },
  shares: { ratePercent: 80, dailyPercent: 50 },
  messagesPerMinute: null,
  frameUnitsPerDay: null,
};
const taken = (replicaId: string, step: number): Step => ({
  ...{ replicaId, step, policy, unitsPerFrame: 15, refused: false },
  left: { step: step - 1, messages: 0, frameUnits: 0 },
  sent: { commands: { messages: 1, units: 1 }, frames: { messages: 0, units: 0 } },
  waiting: { commands: 2, frames: 0 },
});

test('replicas that step at once each get something else of one account, and a step that is repeated counts once', async (t) => {
  const database = await testDatabase(t);
  const store = createQuotaStore({ database, random: Math.random });
  await store.setShares({ ratePercent: 80, dailyPercent: 40 });
  // A full bucket: eight messages.
  await database.collections.quota.updateOne(
    { _id: 'hub' },
    { $set: { tokens: 8, filledTime: await database.now() } },
  );
  const beganMs = (await database.now()).getTime();
  const names = Array.from({ length: 8 }, (_, n) => `replica-${n}`);
  const grants = await Promise.all(names.map((name) => store.step(taken(name, 1))));
  const granted = grants.reduce((sum, { messages }) => sum + messages, 0);
  const { account } = await store.read(policy);
  assert.equal(account.commands.messages, 8, 'what each has sent is counted');
  assert.equal(
    account.leases.reduce((sum, { messages }) => sum + messages, 0),
    granted,
  );
  // While they stepped some more may have come: 80 a minute, and it was not full for that long.
  const moreMost = (((await database.now()).getTime() - beganMs) * 80) / 60_000;
  assert.ok(granted >= 8 && granted <= 8 + Math.ceil(moreMost), `${granted} granted of 8 and ${moreMost}`);
  assert.deepEqual(grants[0]?.shares, { ratePercent: 80, dailyPercent: 40 });

  const again = await store.step(taken('replica-0', 1));
  assert.equal(again.messages, grants[0]?.messages);
  assert.equal((await store.read(policy)).account.commands.messages, 8);
  await store.setShares(null);
  assert.equal((await store.read(policy)).account.shares, null);
});
