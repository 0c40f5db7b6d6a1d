/** The updater against a real hub, database and storage, with a device on Microsoft's SDK: what reaches the device, and what does not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson } from '@bufbuild/protobuf';
import { TransferRefusal, UpdateOutcome, UpdateResultSchema } from '@iotdh/proto/bus/v1';
import { systemClock } from '../../shared/clock.ts';
import { type Device, framesIn } from './testing/device.ts';
import { frameSize, pull, pullAll } from './testing/pull.ts';
import { createRig } from './testing/rig.ts';

test('the firmware updater with its surroundings', { timeout: 240_000 }, async (t) => {
  const rig = await createRig(t);
  const { collections } = rig;
  const pack = await rig.addPack(1_200_001);
  // A replica whose clock is wrong answers like any other.
  await rig.start({ clock: { ...systemClock, now: () => Date.now() + 600_000 } });
  let devices = 0;
  async function connected(): Promise<{ deviceId: string; device: Device }> {
    devices += 1;
    const deviceId = `device-${devices}`;
    await rig.addDevice(deviceId);
    return { deviceId, device: await rig.connect(deviceId) };
  }
  const refusal = async (device: Device, kind: TransferRefusal) =>
    device.find('transferRefused', ({ payload }) => {
      return payload.case === 'transferRefused' && payload.value.refusal === kind;
    });

  await t.test('an offer reaches a device that is connected, and its twin points at it', async () => {
    const { deviceId, device } = await connected();
    const assignment = await rig.assign(deviceId, pack);
    const { value } = await device.find('upgradeOffer');
    assert.equal(value.assignmentId, assignment._id);
    assert.equal(value.transferId, assignment.transferId);
    await rig.settled();
    assert.equal((rig.pointer(deviceId) as { assignmentId: string }).assignmentId, assignment._id);
    const order = await collections.orders.findOne({ assignmentId: assignment._id });
    assert.equal(order?.state, 'sent');
    assert.equal(device.received[0]?.messageId, order?._id);
  });

  await t.test(
    'a device that is away finds the pointer in its twin, and the offer in its queue',
    async () => {
      await rig.addDevice('away');
      const assignment = await rig.assign('away', pack);
      await rig.settled();
      assert.equal((rig.pointer('away') as { assignmentId: string }).assignmentId, assignment._id);
      const device = await rig.connect('away');
      const { value } = await device.find('upgradeOffer');
      assert.equal(value.assignmentId, assignment._id);
    },
  );

  await t.test(
    'every object arrives byte for byte, its short last frame included, and progress is kept',
    async () => {
      const { deviceId, device } = await connected();
      const assignment = await rig.assign(deviceId, pack);
      await pullAll(device, assignment, pack);
      for (const { sequence } of device.received.filter(({ payload }) => payload.case === 'frame')) {
        assert.equal(sequence, 0n);
      }
      const found = await collections.assignments.findOne({ _id: assignment._id });
      assert.ok(Number(found?.progress?.receivedBytes) > 0);
      assert.equal(
        Number(found?.progress?.totalBytes),
        [...pack.objects.values()].reduce((sum, { length }) => sum + length, 0),
      );
      const event = await collections.events.findOne({ deviceId, topic: 'assignment' });
      assert.ok(event?.event.assignment);
    },
  );

  await t.test('what does not belong to the transfer is refused with its reason', async () => {
    const [{ deviceId, device }, other] = [await connected(), await connected()];
    const { transferId } = await rig.assign(deviceId, pack);
    const ask = { transferId, object: pack.object, frameSize, first: 0, count: 1 };
    await device.ask({ ...ask, object: 'ab'.repeat(32) });
    await refusal(device, TransferRefusal.UNKNOWN_OBJECT);
    await device.ask({ ...ask, first: 294 });
    await refusal(device, TransferRefusal.OUTSIDE_OBJECT);
    await device.ask({ ...ask, transferId: '11111111-2222-4333-8444-555555555555' });
    const { value } = await refusal(device, TransferRefusal.UNKNOWN_TRANSFER);
    assert.equal(value.retryTime, undefined);
    await other.device.ask(ask);
    await refusal(other.device, TransferRefusal.UNKNOWN_TRANSFER);
    assert.equal(framesIn([...device.received, ...other.device.received]).size, 0);
  });

  await t.test('after a cancel no frame comes any more, and the twin points at nothing', async () => {
    const { deviceId, device } = await connected();
    const assignment = await rig.assign(deviceId, pack);
    const ask = { transferId: assignment.transferId, object: pack.object, frameSize, first: 0, count: 8 };
    await device.ask(ask);
    await device.until((all) => framesIn(all).size === 8);
    await rig.cancel(assignment);
    await device.find('cancel');
    await rig.settled();
    assert.equal(rig.pointer(deviceId) ?? null, null);
    await device.ask({ ...ask, first: 100 });
    await refusal(device, TransferRefusal.UNKNOWN_TRANSFER);
    assert.equal(framesIn(device.received).size, 8);
  });

  await t.test('a device that asks for its offer gets it again, or is told that there is none', async () => {
    const { deviceId, device } = await connected();
    const assignment = await rig.assign(deviceId, pack);
    const offers = (): number =>
      device.received.filter(({ payload }) => payload.case === 'upgradeOffer').length;
    await device.until(() => offers() === 1);
    await rig.settled();
    const value = { $typeName: 'iotdh.bus.v1.OfferRequest' as const, assignmentId: assignment._id };
    await device.send({ case: 'offerRequest', value });
    await device.until(() => offers() === 2);
    await rig.settled();
    await collections.assignments.updateOne(
      { _id: assignment._id },
      { $set: { goesOn: false, state: 'ended' } },
    );
    await device.send({ case: 'offerRequest', value });
    while ((rig.pointer(deviceId) ?? null) !== null) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(offers(), 2);
  });

  await t.test(
    'a second replica that reads everything too does no harm: no order twice, each in its turn',
    async () => {
      // In a consumer group of its own it answers every request that the first one answers.
      await rig.start({ events: { ...rig.events, consumerGroup: 'second', checkpoints: undefined } });
      const all = await Promise.all([connected(), connected(), connected()]);
      const assignments = await Promise.all(all.map(({ deviceId }) => rig.assign(deviceId, pack)));
      for (const { deviceId } of all) for (let n = 0; n < 12; n += 1) await rig.configure(deviceId);
      await rig.settled();
      for (const [index, { device }] of all.entries()) {
        const commands = () =>
          device.received.filter(({ sequence }) => sequence > 0n).map(({ sequence }) => sequence);
        await device.until(() => commands().length >= 13);
        assert.deepEqual(
          commands(),
          Array.from({ length: 13 }, (_, n) => BigInt(n + 1)),
        );
        const assignment = assignments[index] ?? assert.fail();
        const bytes = pack.objects.get(pack.list) ?? assert.fail();
        assert.ok((await pull(device, assignment, pack.list, bytes.length)).equals(bytes));
      }
    },
  );

  await t.test(
    'an order for a device that the hub does not know ends its assignment, with the reason',
    async () => {
      await rig.addDevice('gone');
      await rig.hub.engine.registry.remove('gone', '*');
      const assignment = await rig.assign('gone', pack);
      await rig.settled();
      const order = await collections.orders.findOne({ assignmentId: assignment._id, kind: 'offer' });
      assert.equal(order?.state, 'given_up');
      assert.match(order.lastError, /does not know the device/);
      const found = await collections.assignments.findOne({ _id: assignment._id });
      assert.deepEqual([found?.state, found?.goesOn], ['ended', false]);
      const result = fromJson(UpdateResultSchema, found?.result ?? null);
      assert.equal(result.outcome, UpdateOutcome.REFUSED);
      assert.match(result.steps[0]?.detail ?? '', /could not be offered: the hub does not know the device/);
      const told = await collections.events.findOne({ deviceId: 'gone', topic: 'assignment' });
      assert.ok(told?.event.assignment, 'who watches sees it end');

      // One that the device had taken up ends when it is withdrawn.
      const taken = await rig.assign('gone', pack);
      await rig.settled();
      await collections.assignments.updateOne(
        { _id: taken._id },
        { $set: { state: 'in_transit', goesOn: true, result: null } },
      );
      await rig.cancel(taken);
      await rig.settled();
      const withdrawn = await collections.assignments.findOne({ _id: taken._id });
      assert.equal(withdrawn?.goesOn, false);
    },
  );

  await t.test(
    'an offer that the hub refuses leaves the twin pointing at nothing, and the next one is taken',
    async () => {
      const { deviceId, device } = await connected();
      // More than a C2D message holds.
      const refused = await rig.assign(deviceId, pack, { title: 'x'.repeat(70_000) });
      await rig.settled();
      const found = await collections.assignments.findOne({ _id: refused._id });
      assert.deepEqual([found?.state, found?.goesOn], ['ended', false]);
      const orders = await collections.orders.find({ deviceId }).sort({ sequence: 1 }).toArray();
      assert.deepEqual(
        orders.map(({ kind, state }) => [kind, state]),
        [
          ['offer', 'given_up'],
          ['pointer', 'sent'],
        ],
      );
      assert.equal(rig.pointer(deviceId), undefined);
      const next = await rig.assign(deviceId, pack);
      await device.find('upgradeOffer');
      await rig.settled();
      assert.equal((rig.pointer(deviceId) as { assignmentId: string }).assignmentId, next._id);
    },
  );

  await t.test('a queue that is full delays the order until the device makes room', async () => {
    await rig.addDevice('full');
    const filler = { body: Buffer.from('x'), system: {}, properties: {} };
    for (let n = 0; n < 50; n += 1) await rig.hub.engine.cloudToDevice.send('full', filler);
    const order = await rig.configure('full');
    const state = async () => collections.orders.findOne({ _id: order._id });
    while ((await state())?.lastError === '') await new Promise((resolve) => setTimeout(resolve, 20));
    assert.match((await state())?.lastError ?? '', /as many commands as the hub holds/);
    assert.equal((await state())?.state, 'due');
    await rig.hub.engine.cloudToDevice.purge('full');
    await rig.settled();
    assert.equal((await state())?.state, 'sent');
  });

  await t.test('a purge empties the queue in the hub', async () => {
    await rig.addDevice('purged');
    const filler = { body: Buffer.from('x'), system: {}, properties: {} };
    for (let n = 0; n < 5; n += 1) await rig.hub.engine.cloudToDevice.send('purged', filler);
    await rig.order({ deviceId: 'purged', kind: 'purge', assignmentId: '', payload: null });
    await rig.settled();
    assert.equal(rig.hub.engine.cloudToDevice.pending('purged'), 0);
  });

  await t.test('a hub that throttles is given time, and nothing is lost', async () => {
    const { deviceId, device } = await connected();
    rig.hub.faults.inject({ kind: 'throttle', deviceId, count: 2 });
    for (let n = 0; n < 3; n += 1) await rig.configure(deviceId);
    await rig.settled();
    await device.until((all) => all.length === 3);
    assert.deepEqual(
      device.received.map(({ sequence }) => sequence),
      [1n, 2n, 3n],
    );
    assert.equal(rig.hub.faults.list().length, 0);
  });
});
