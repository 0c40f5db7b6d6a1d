/** The quota of one hub among replicas of the updater, with its real throttles, and a replica that is killed. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { ContainerClient } from '@azure/storage-blob';
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { DeviceToCloudSchema } from '@iotdh/proto/bus/v1';
import type { AssignmentDocument } from '../../shared/database/collections.ts';
import type { HubPolicy } from '../../shared/quota/hub-settings.ts';
import { createQuotaStore } from '../../shared/quota/quota-store.ts';
import type { TestPack } from './testing/pack.ts';
import { frameSize } from './testing/pull.ts';
import { createRig, type Rig } from './testing/rig.ts';

/** Twenty units of S1, so that seconds show what minutes would of one: 2,000 a minute, of which updates may have 80 %. */
const hub = { sku: 'S1', units: 20 } as const;
const perSecond = (2_000 * 0.8) / 60;
const policy: HubPolicy = {
  hub,
  shares: { ratePercent: 80, dailyPercent: 50 },
  messagesPerMinute: null,
  frameUnitsPerDay: null,
};

async function startProcess(t: TestContext, rig: Rig, consumerGroup: string): Promise<ChildProcess> {
  const container = `checkpoints-${consumerGroup}`;
  await new ContainerClient(rig.hub.storageConnectionString, container).createIfNotExists();
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], {
    env: {
      ...process.env,
      ...rig.environment,
      ...{ IOTHUB_SKU: hub.sku, IOTHUB_UNITS: String(hub.units) },
      ...{ IOTHUB_CONSUMER_GROUP: consumerGroup, CHECKPOINT_CONTAINER: container },
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  for await (const line of createInterface({ input: child.stdout })) {
    if ((JSON.parse(line) as { message: string }).message === 'started') return child;
  }
  throw new Error('the updater ended before it was ready');
}

/** What a device asks, without the device: its queue in the hub keeps what comes. */
async function ask(rig: Rig, assignment: AssignmentDocument, { object }: TestPack): Promise<void> {
  const message = create(DeviceToCloudSchema, {
    ...{ version: 1, journalId: randomUUID(), sequence: 1n, messageId: randomUUID() },
    time: timestampFromMs(Date.now()),
    payload: {
      case: 'frameRequest',
      value: {
        transferId: assignment.transferId,
        objectDigest: new Uint8Array(Buffer.from(object, 'hex')),
        ...{ frameSize, window: 12 },
        missing: { case: 'ranges', value: { ranges: [{ first: 0n, count: 12 }] } },
      },
    },
  });
  const { deviceId } = assignment;
  const body = Buffer.from(toBinary(DeviceToCloudSchema, message));
  await rig.hub.engine.telemetry.append({
    deviceId,
    auth: { deviceId, generationId: 'test', authMethod: { scope: 'device', type: 'sas', issuer: 'iothub' } },
    message: { body, system: { messageId: message.messageId }, properties: {} },
  });
}

test('two replicas share a hub’s rate without a throttle, commands first; one is killed, and the other has it all', {
  timeout: 180_000,
}, async (t) => {
  // With an hour of burst nothing would ever be too fast; with five seconds of it the steady state shows at once.
  const rig = await createRig(t, { ...hub, engine: { burstMs: 5_000 } });
  const { throttles, cloudToDevice } = rig.hub.engine;
  const pack = await rig.addPack(600_000);
  const [, victim] = await Promise.all([rig.start({ policy }), startProcess(t, rig, 'second')]);
  const assignments: AssignmentDocument[] = [];
  for (let n = 0; n < 50; n += 1) {
    await rig.addDevice(`d${n}`);
    assignments.push(await rig.assign(`d${n}`, pack));
  }
  await rig.addDevice('bystander');
  const sent = (): number => throttles.ledger().operationsByKind.c2d;

  /** Devices ask again and again until the hub has taken so many more messages. */
  async function untilSent(more: number): Promise<number> {
    const [from, begunMs] = [sent(), performance.now()];
    for (let round = 0; sent() < from + more; round += 1) {
      if (round % 10 === 0) {
        for (const assignment of assignments) {
          // Its queue has 50 places, and no device empties it.
          if (cloudToDevice.pending(assignment.deviceId) > 20) await cloudToDevice.purge(assignment.deviceId);
          await ask(rig, assignment, pack);
        }
      }
      await setTimeout(50);
    }
    return (performance.now() - begunMs) / 1_000;
  }

  await untilSent(60);
  // The steady state, in which commands come.
  let slowestMs = 0;
  const commands = (async () => {
    for (let n = 0; n < 4; n += 1) {
      const begunMs = performance.now();
      const { _id } = await rig.configure('bystander');
      while ((await rig.collections.orders.findOne({ _id }))?.state !== 'sent') await setTimeout(20);
      slowestMs = Math.max(slowestMs, performance.now() - begunMs);
    }
  })();
  const rates: number[] = [];
  const isSteady = () => rates.some((rate) => rate < perSecond * 1.15);
  // What a stall of this machine held back goes out in a burst, once.
  while (!isSteady() && rates.length < 3) {
    const [from, begunMs] = [sent(), performance.now()];
    await Promise.all([untilSent(110), commands]);
    rates.push((sent() - from) / ((performance.now() - begunMs) / 1_000));
  }
  assert.ok(isSteady(), `${rates.join(', then ')} a second where ${perSecond.toFixed(1)} are allowed`);
  assert.ok(slowestMs < 5_000, `a command waited ${Math.round(slowestMs)} ms behind ${50 * 12} frames`);

  const store = createQuotaStore({ database: rig.database, random: Math.random });
  const both = await store.read(policy);
  assert.equal(both.account.leases.length, 2);

  victim.kill('SIGKILL');
  await once(victim, 'exit');
  await untilSent(80);
  assert.deepEqual(throttles.excess().c2dSend, { delayed: 0, refused: 0 });

  // Nothing that was sent is forgotten, and what the dead replica held is all that is counted beside it.
  const metered = throttles.ledger().byKind.c2d;
  const { account } = await store.read(policy);
  const counted = account.frames.units + account.commands.units;
  assert.ok(counted > metered * 0.8, `${counted} counted of ${metered}`);
  const heir = await createQuotaStore({ database: rig.database, random: Math.random }).read(policy);
  assert.equal(heir.account.day, account.day);
  assert.ok(heir.account.frames.units >= account.frames.units - 200);
});

test('when the day’s share is used up the device is told when to come back, and commands still go', {
  timeout: 120_000,
}, async (t) => {
  const rig = await createRig(t);
  const pack = await rig.addPack(400_000);
  await rig.addDevice('d1');
  const device = await rig.connect('d1');
  await rig.start({ policy: { ...policy, frameUnitsPerDay: 20 } });
  const assignment = await rig.assign('d1', pack);
  await device.find('upgradeOffer');
  await device.ask({
    transferId: assignment.transferId,
    object: pack.object,
    frameSize,
    first: 0,
    count: 32,
  });
  const { value } = await device.find('transferRefused');
  const midnightMs = (Math.floor(Date.now() / 86_400_000) + 1) * 86_400_000;
  const retryMs = Number(value.retryTime?.seconds ?? 0n) * 1_000;
  assert.ok(retryMs >= midnightMs - 5_000 && retryMs <= midnightMs + 605_000);
  assert.equal(device.received.filter(({ payload }) => payload.case === 'frame').length, 10);
  const order = await rig.configure('d1');
  await device.until((all) => all.some(({ messageId }) => messageId === order._id));
});
