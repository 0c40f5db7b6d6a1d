/** The listener while replicas fight, are killed, and the database is away: nothing is lost and nothing is stored twice. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startEmbeddedDatabase } from '../../shared/embedded-database/start.ts';
import { consumerGroup, createRig, type Rig } from './testing/rig.ts';
import { createJournal, type Journal } from './testing/samples.ts';
import type { VictimSettings } from './testing/victim.ts';

const deviceIds = ['d1', 'd2', 'd3', 'd4'];
const journals = new Map<string, Journal>(deviceIds.map((id) => [id, createJournal()]));

type Sent = { consents: Set<string>; points: number };

/** Sends from every device, each message twice, as the hub may deliver them; counts them once. */
async function sendAll(rig: Rig, sent: Sent, rounds: number): Promise<void> {
  await Promise.all(
    deviceIds.map(async (deviceId) => {
      const journal = journals.get(deviceId)!;
      for (let round = 0; round < rounds; round += 1) {
        const [consent, telemetry] = [journal.consent(), journal.telemetry(3)];
        await rig.send(deviceId, consent, telemetry, consent, telemetry);
        sent.consents.add(consent.messageId);
        sent.points += 3;
      }
    }),
  );
}

async function assertExactly({ collections }: Rig, sent: Sent): Promise<void> {
  const consents = await collections.consents.find().toArray();
  assert.deepEqual(new Set(consents.map(({ _id }) => _id)), sent.consents);
  const points = await collections.telemetry.find().toArray();
  assert.equal(points.length, sent.points);
  assert.equal(new Set(points.map(({ _id }) => _id)).size, sent.points);
  const events = await collections.events.find({ topic: 'consent' }).toArray();
  assert.equal(events.length, sent.consents.size);
}

const arrived =
  ({ collections }: Rig, sent: Sent) =>
  async (): Promise<boolean> =>
    (await collections.consents.countDocuments()) === sent.consents.size &&
    (await collections.telemetry.countDocuments()) >= sent.points;

test('nothing is lost or stored twice', { timeout: 90_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-faults-'));
  let server = await startEmbeddedDatabase({ folder });
  const rig = await createRig(t, { deviceIds, uri: server.uri });
  // After the rig's own cleanup, because what is registered first is run first.
  t.after(() => server.stop());
  const sent: Sent = { consents: new Set(), points: 0 };

  await t.test('when a replica is killed between its commit and its checkpoint', async () => {
    await sendAll(rig, sent, 3);
    const victim = fork(join(import.meta.dirname, 'testing', 'victim.ts'), { serialization: 'json' });
    const settings: VictimSettings = {
      uri: server.uri,
      databaseName: rig.database.name,
      events: rig.hub.eventHubConnectionString(),
      consumerGroup,
      storage: rig.hub.storageConnectionString,
      container: rig.container,
      caPem: rig.hub.caPem,
    };
    victim.send(settings);
    const [, signal] = await once(victim, 'exit');
    assert.equal(signal, 'SIGKILL');
    assert.ok((await rig.collections.consents.countDocuments()) > 0, 'it had committed');
    const listener = await rig.startListener();
    // It reads everything again, since the killed one never moved a checkpoint: each consent, and each twice.
    const consents = async () => listener.metrics.valueOf('d2c_events_total', { kind: 'consent' });
    await listener.until(async () => (await consents()) === 2 * sent.consents.size);
    await listener.until(arrived(rig, sent));
    await assertExactly(rig, sent);
    await listener.service.stop();
  });

  await t.test('when two replicas come and go and take partitions from each other', async () => {
    const first = await rig.startListener();
    await sendAll(rig, sent, 2);
    const second = await rig.startListener();
    await sendAll(rig, sent, 3);
    const stopped = first.service.stop();
    await sendAll(rig, sent, 2);
    await stopped;
    await second.until(arrived(rig, sent));
    await assertExactly(rig, sent);
    await second.service.stop();
  });

  await t.test('when the hub breaks every link', async () => {
    const listener = await rig.startListener();
    await sendAll(rig, sent, 1);
    await listener.until(arrived(rig, sent));
    await rig.hub.restart();
    await sendAll(rig, sent, 1);
    await listener.until(arrived(rig, sent));
    await assertExactly(rig, sent);
    await listener.service.stop();
  });

  await t.test('when the database is away for a while', async () => {
    const listener = await rig.startListener();
    await sendAll(rig, sent, 1);
    await listener.until(arrived(rig, sent));
    await server.stop();
    await sendAll(rig, sent, 2);
    await rig.troubled();
    assert.match(listener.service.unready() ?? 'ready', /the database is away/);
    server = await startEmbeddedDatabase({ folder, port: server.port ?? 0, temporary: true });
    await listener.until(arrived(rig, sent));
    await assertExactly(rig, sent);
    assert.equal(listener.service.unready(), null);
  });
});
