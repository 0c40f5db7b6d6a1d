/** Random lives of a queue, from seeds: whatever happens, nothing is lost, repeated after its end, or out of order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRandom } from '../../fuzz/random.ts';
import { openStore } from '../store/open-store.ts';
import { createManualClock } from './clock.ts';
import { createCloudToDevice, type Delivery, type Receiver } from './cloud-to-device.ts';
import { isHubError } from './error.ts';
import type { FeedbackRecord } from './feedback.ts';
import { openRegistry } from './registry.ts';

const seeds = 25;
const steps = 250;

async function liveOnce(seed: number, onDisconnect: 'requeue' | 'lock'): Promise<void> {
  const { below: pick } = createRandom(seed);
  const clock = createManualClock();
  const store = openStore({ dataDir: undefined });
  const registry = openRegistry({ store, clock });
  await registry.create({ deviceId: 'd1' });
  const ends = new Map<string, string>();
  const feedback = {
    async record({ originalMessageId, statusCode }: FeedbackRecord) {
      assert.equal(ends.get(originalMessageId), undefined, `${originalMessageId} ends once`);
      ends.set(originalMessageId, statusCode);
    },
  };
  const throttles = { take: async () => {}, meter() {} };
  const settings = { onDisconnect, maxDeliveryCount: 4, defaultTtlMs: 900_000, maxMemoryBytes: 40 };
  const c2d = createCloudToDevice({ store, clock, registry, throttles, feedback, settings });

  let sent = 0;
  let firstDelivered = 0;
  /** Accepted and not ended, by number. */
  const alive = new Set<number>();
  /** By lock token. */
  const outstanding = new Map<string, { number: number; by: Receiver | undefined }>();
  const isOut = (number: number) => [...outstanding.values()].some((each) => each.number === number);
  let receiver: Receiver | undefined;

  function note(delivery: Delivery, by: Receiver | undefined): void {
    const number = Number(delivery.message.body);
    for (const [token, each] of outstanding) if (each.number === number) outstanding.delete(token);
    assert.ok(!ends.has(`${number}`), `${number} has ended and came again`);
    for (const lower of alive) {
      if (lower >= number || ends.has(`${lower}`)) continue;
      assert.ok(isOut(lower), `${number} came before ${lower}, which was free`);
    }
    if (delivery.redelivered) assert.ok(number <= firstDelivered, `${number} was never delivered before`);
    else {
      assert.ok(number > firstDelivered, `${number} first came after ${firstDelivered}`);
      firstDelivered = number;
    }
    outstanding.set(delivery.lockToken, { number, by });
  }

  function disconnected(): void {
    if (onDisconnect === 'lock' || receiver === undefined) return;
    for (const [token, { by }] of outstanding) if (by === receiver) outstanding.delete(token);
  }

  const connect = (window: number) => {
    disconnected();
    const current: Receiver = c2d.receive('d1', { window, deliver: (delivery) => note(delivery, current) });
    receiver = current;
  };

  async function settle(verb: 'complete' | 'abandon' | 'reject'): Promise<void> {
    const tokens = [...outstanding.keys()];
    const token = tokens[pick(tokens.length || 1)];
    const held = token === undefined ? undefined : outstanding.get(token);
    if (token === undefined || held === undefined) return;
    outstanding.delete(token);
    try {
      await (held.by === undefined ? c2d[verb]('d1', token) : held.by[verb](token));
    } catch (error) {
      assert.ok(isHubError(error, 'LockLost'), String(error));
    }
  }

  const actions: (() => unknown)[] = [
    async () => {
      const count = pick(8);
      await Promise.all(
        Array.from({ length: count }, async () => {
          sent += 1;
          const number = sent;
          const body = Buffer.from(`${number}`);
          alive.add(number);
          try {
            await c2d.send('d1', { body, system: { messageId: `${number}`, ack: 'full' }, properties: {} });
          } catch (error) {
            assert.ok(isHubError(error, 'DeviceMaximumQueueDepthExceeded'), String(error));
            alive.delete(number);
          }
        }),
      );
    },
    () => connect(1 + pick(5)),
    () => {
      receiver?.close();
      disconnected();
      receiver = undefined;
    },
    () => receiver?.setWindow(pick(10)),
    () => settle('complete'),
    () => settle('complete'),
    () => settle('abandon'),
    () => settle('reject'),
    () => Promise.all([settle('abandon'), settle('complete'), settle('abandon')]),
    async () => {
      const delivery = await c2d.lockNext('d1');
      if (delivery !== undefined) note(delivery, undefined);
    },
    () => clock.advance(pick(30_000)),
    () => clock.advance(pick(4) === 0 ? 200_000 : 100),
    async () => {
      if (pick(6) === 0) await Promise.all([settle('abandon'), c2d.purge('d1'), settle('complete')]);
    },
  ];
  for (let step = 0; step < steps; step += 1) {
    await actions[pick(actions.length)]?.();
    if (pick(3) > 0) await store.flushed();
  }

  receiver?.close();
  clock.advance(2_000_000);
  await store.flushed();
  clock.advance(2_000);
  await store.flushed();
  assert.equal(c2d.pending('d1'), 0);
  assert.deepEqual([...store.commands.load()], []);
  assert.deepEqual(
    [...ends.keys()].map(Number).toSorted((a, b) => a - b),
    [...alive],
    'each message ended',
  );
  c2d.stop();
  await store.close();
}

for (const onDisconnect of ['requeue', 'lock'] as const) {
  test(`${seeds} random lives of a queue with onDisconnect ${onDisconnect}`, async () => {
    for (let seed = 1; seed <= seeds; seed += 1) {
      try {
        await liveOnce(seed, onDisconnect);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  });
}
