import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding } from '../diagnostics.ts';
import type { DeviceAuth } from './authentication.ts';
import { createManualClock } from './clock.ts';
import { createFakeDocuments } from './fake-documents.ts';
import { createFaults } from './faults.ts';
import { createPresence, type Link, type PresenceOptions } from './presence.ts';
import { openRegistry } from './registry.ts';

async function open(options: Partial<PresenceOptions> = {}) {
  const store = createFakeDocuments();
  const clock = createManualClock();
  const registry = openRegistry({ store, clock });
  const faults = createFaults();
  const findings: Finding[] = [];
  const log = { info() {}, warn: (finding: Finding) => void findings.push(finding) };
  const throttles = { take: () => Promise.resolve() };
  const presence = createPresence({ registry, throttles, faults, clock, log, ...options });
  const closed: string[] = [];
  const events: string[] = [];
  presence.onChange((deviceId, event) => events.push(`${deviceId} ${event}`));

  async function authOf(deviceId: string, expiresInMs?: number): Promise<DeviceAuth> {
    const { generationId } = registry.get(deviceId) ?? (await registry.create({ deviceId }));
    const expiresAtMs = expiresInMs === undefined ? undefined : clock.now() + expiresInMs;
    const authMethod = { scope: 'device', type: 'sas', issuer: 'iothub' } as const;
    return { deviceId, generationId, authMethod, expiresAtMs };
  }
  const link = (name: string, more: Partial<Link> = {}): Link => ({
    protocol: 'mqtt',
    remote: `127.0.0.1:${name}`,
    close: (reason) => closed.push(`${name} ${reason}`),
    ...more,
  });
  /** Lets promises that were resolved run. */
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { clock, registry, faults, findings, presence, closed, events, authOf, link, settle };
}

test('a device is connected from connect to end', async () => {
  const { presence, authOf, link, events, clock } = await open();
  const session = await presence.connect(await authOf('d1'), link('a'));
  assert.equal(presence.isConnected('d1'), true);
  assert.equal(presence.count(), 1);
  assert.equal(presence.session('d1'), session);
  const connectedAt = new Date(clock.now()).toISOString();
  assert.deepEqual(presence.connectivity('d1'), {
    connectionState: 'Connected',
    connectionStateUpdatedTime: connectedAt,
    lastActivityTime: connectedAt,
  });
  clock.advance(1000);
  session.touch();
  const lastActivityTime = new Date(clock.now()).toISOString();
  assert.equal(presence.connectivity('d1').lastActivityTime, lastActivityTime);
  clock.advance(1000);
  session.end();
  session.end();
  assert.equal(session.ended, true);
  assert.equal(presence.isConnected('d1'), false);
  assert.deepEqual(presence.connectivity('d1'), {
    connectionState: 'Disconnected',
    connectionStateUpdatedTime: new Date(clock.now()).toISOString(),
    lastActivityTime,
  });
  assert.equal(presence.connectivity('other').connectionStateUpdatedTime, '0001-01-01T00:00:00Z');
  assert.deepEqual(events, ['d1 connected', 'd1 disconnected']);
});

test('the newest connection wins; the older one is closed before the newer one is let in', async () => {
  const { presence, authOf, link, closed, events } = await open();
  const first = await presence.connect(await authOf('d1'), link('a'));
  const second = await presence.connect(await authOf('d1'), link('b'));
  assert.deepEqual(closed, ['a kicked']);
  assert.equal(first.ended, true);
  assert.equal(presence.session('d1'), second);
  first.end();
  assert.equal(presence.isConnected('d1'), true);
  assert.deepEqual(events, ['d1 connected', 'd1 disconnected', 'd1 connected']);
});

test('two clients with one id are slowed down to one change in ten seconds', async () => {
  const { presence, authOf, link, closed, clock, settle, findings } = await open();
  const auth = await authOf('d1');
  let kicks = 0;
  const reconnecting: Link = link('x', {
    close: () => {
      kicks += 1;
      void presence.connect(auth, reconnecting);
    },
  });
  await presence.connect(auth, reconnecting);
  await presence.connect(auth, reconnecting);
  for (let second = 0; second < 60; second += 1) {
    clock.advance(1000);
    await settle();
    await settle();
  }
  assert.ok(kicks >= 8 && kicks <= 16, `${kicks} kicks in a minute`);
  assert.equal(presence.count(), 1);
  assert.deepEqual(closed, []);
  assert.match(findings[0]?.next ?? '', /its own device/);
});

/** Brings a device to where its next connection must wait for the one called `holder`. */
async function openDamped() {
  const hub = await open();
  const auth = await hub.authOf('d1');
  for (const name of ['1', '2', '3']) await hub.presence.connect(auth, hub.link(name));
  const holder = await hub.presence.connect(auth, hub.link('holder'));
  hub.closed.length = 0;
  return { ...hub, auth, holder };
}

test('a connection that waits is let in at once when the other one leaves', async () => {
  const { presence, auth, link, holder, settle } = await openDamped();
  const waiting = presence.connect(auth, link('waiting'));
  await settle();
  assert.equal(presence.session('d1'), holder);
  holder.end();
  const session = await waiting;
  assert.equal(session.ended, false);
  assert.equal(presence.session('d1'), session);
});

test('of two connections that wait the newer one is let in, the older one is closed', async () => {
  const { presence, auth, link, closed, clock, settle } = await openDamped();
  const older = presence.connect(auth, link('older'));
  await settle();
  const newer = presence.connect(auth, link('newer'));
  assert.equal((await older).ended, true);
  assert.deepEqual(closed, ['older kicked']);
  clock.advance(10_000);
  const session = await newer;
  assert.equal(presence.session('d1'), session);
  assert.deepEqual(closed, ['older kicked', 'holder kicked']);
});

test('a connection that died while it waited kicks nobody', async () => {
  const { presence, auth, link, closed, clock, holder, settle } = await openDamped();
  let alive = true;
  const waiting = presence.connect(auth, link('dying', { isOpen: () => alive }));
  await settle();
  alive = false;
  clock.advance(10_000);
  assert.equal((await waiting).ended, true);
  assert.equal(presence.session('d1'), holder);
  assert.deepEqual(closed, []);
});

test('a device that was deleted, disabled, recreated or expired while it waited is not let in', async () => {
  const changes = {
    deleted: ({ registry }: Awaited<ReturnType<typeof open>>) => registry.remove('d1'),
    recreated: async ({ registry }: Awaited<ReturnType<typeof open>>) => {
      await registry.remove('d1');
      await registry.create({ deviceId: 'd1' });
    },
    disabled: ({ registry }: Awaited<ReturnType<typeof open>>) =>
      registry.update({ deviceId: 'd1', status: 'disabled' }),
  };
  for (const [name, change] of Object.entries(changes)) {
    const hub = await openDamped();
    const waiting = hub.presence.connect(hub.auth, hub.link('waiting'));
    await hub.settle();
    await change(hub);
    assert.equal((await waiting).ended, true, name);
    assert.equal(hub.presence.count(), 0, name);
    const reason = name === 'recreated' ? 'deleted' : name;
    assert.deepEqual(hub.closed, [`holder ${reason}`, `waiting ${reason}`], name);
  }
  const hub = await openDamped();
  const waiting = hub.presence.connect(await hub.authOf('d1', 50), hub.link('waiting'));
  await hub.settle();
  hub.clock.advance(100);
  assert.equal((await waiting).ended, true);
  assert.deepEqual(hub.closed, ['waiting expired']);
});

test('credentials of a device that was recreated since are worth nothing', async () => {
  const { presence, registry, authOf, link, closed } = await open();
  const auth = await authOf('d1');
  await registry.remove('d1');
  await registry.create({ deviceId: 'd1' });
  assert.equal((await presence.connect(auth, link('old'))).ended, true);
  assert.deepEqual(closed, ['old deleted']);
});

test('a connection that must wait is not let in by another one that replaces the holder', async () => {
  const { presence, authOf, link, closed, clock, settle } = await open();
  const auth = await authOf('d1');
  for (const name of ['1', '2', '3']) await presence.connect(auth, link(name));
  closed.length = 0;
  const undelayed = presence.connect(auth, link('undelayed'));
  const delayed = presence.connect(auth, link('delayed'));
  const holder = await undelayed;
  await settle();
  assert.equal(presence.session('d1'), holder);
  assert.deepEqual(closed, ['3 kicked']);
  clock.advance(100);
  assert.equal((await delayed).ended, false);
  assert.deepEqual(closed, ['3 kicked', 'undelayed kicked']);
});

test('deleting or disabling a device ends its connection, other changes do not', async () => {
  const { presence, registry, authOf, link, closed } = await open();
  for (const deviceId of ['d1', 'd2', 'd3']) await presence.connect(await authOf(deviceId), link(deviceId));
  await registry.update({ deviceId: 'd1', statusReason: 'x' });
  await registry.remove('d2');
  await registry.update({ deviceId: 'd3', status: 'disabled' });
  assert.deepEqual(closed, ['d2 deleted', 'd3 disabled']);
  assert.equal(presence.isConnected('d1'), true);
});

test('connections end when their SAS tokens do, each at its own time, and one timer serves all', async () => {
  const { presence, authOf, link, closed, clock } = await open();
  for (const [deviceId, ms] of [
    ['late', 60_000],
    ['soon', 5000],
    ['close', 5500],
    ['never', undefined],
  ] as const) {
    await presence.connect(await authOf(deviceId, ms), link(deviceId));
  }
  clock.advance(4999);
  assert.deepEqual(closed, []);
  clock.advance(1);
  assert.deepEqual(closed, ['soon expired']);
  clock.advance(1000);
  assert.deepEqual(closed, ['soon expired', 'close expired']);
  clock.advance(54_000);
  assert.deepEqual(closed.slice(2), ['late expired']);
  clock.advance(1e9);
  assert.equal(presence.isConnected('never'), true);
});

test('a renewed token keeps the connection, a shorter one ends it sooner', async () => {
  const { presence, authOf, link, closed, clock } = await open();
  const longer = await presence.connect(await authOf('longer', 5000), link('longer'));
  const shorter = await presence.connect(await authOf('shorter', 60_000), link('shorter'));
  longer.renew(await authOf('longer', 60_000));
  shorter.renew(await authOf('shorter', 2000));
  clock.advance(2000);
  assert.deepEqual(closed, ['shorter expired']);
  clock.advance(8000);
  assert.equal(longer.ended, false);
  assert.equal(longer.auth.expiresAtMs, clock.now() + 50_000);
});

test('a subscription to methods is told, and ends with the session', async () => {
  const { presence, authOf, link, events } = await open();
  const session = await presence.connect(await authOf('d1'), link('a'));
  const handler = () => {};
  session.onMethod(handler);
  assert.equal(session.methodHandler, handler);
  session.end();
  assert.equal(session.methodHandler, undefined);
  session.onMethod(handler);
  assert.equal(session.methodHandler, undefined);
  assert.deepEqual(events, ['d1 connected', 'd1 methods', 'd1 disconnected']);
});

test('an injected kick or cut ends the connection that it names, now or when it comes', async () => {
  const { presence, faults, authOf, link, closed, clock } = await open();
  await presence.connect(await authOf('d1'), link('a'));
  await presence.connect(await authOf('d2'), link('b', { protocol: 'amqp' }));
  faults.inject({ kind: 'kick', deviceId: 'd1' });
  faults.inject({ kind: 'cut-link', protocol: 'amqp', delayMs: 500 });
  clock.advance(0);
  assert.deepEqual(closed, ['a kicked']);
  clock.advance(500);
  assert.deepEqual(closed, ['a kicked', 'b fault']);
  faults.inject({ kind: 'cut-link', deviceId: 'd1', count: 2 });
  for (const name of ['c', 'd', 'e']) {
    await presence.connect(await authOf('d1'), link(name));
    clock.advance(0);
  }
  assert.deepEqual(closed.slice(2), ['c fault', 'd fault']);
  assert.equal(presence.isConnected('d1'), true);
});

test('at shutdown all connections are closed, also those that wait', async () => {
  const { presence, auth, link, closed, settle } = await openDamped();
  const waiting = presence.connect(auth, link('waiting'));
  await settle();
  presence.closeAll('shutdown');
  presence.stop();
  assert.equal((await waiting).ended, true);
  assert.deepEqual(closed, ['waiting shutdown', 'holder shutdown']);
  assert.equal(presence.count(), 0);
});

test('a connection that the throttle refuses is not registered', async () => {
  const { presence, authOf, link } = await open({
    throttles: { take: () => Promise.reject(new Error('slow down')) },
  });
  await assert.rejects(presence.connect(await authOf('d1'), link('a')), /slow down/);
  assert.equal(presence.count(), 0);
});
