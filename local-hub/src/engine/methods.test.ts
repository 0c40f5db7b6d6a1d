import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createManualClock } from './clock.ts';
import { HubError } from './error.ts';
import { createMethods, type MethodsOptions } from './methods.ts';
import type { MethodCall, MethodHandler, PresenceEvent, Session } from './presence.ts';

/** Presence with the one thing that methods see of it. */
function open(throttles: MethodsOptions['throttles'] = { take: () => Promise.resolve(), meter() {} }) {
  const clock = createManualClock();
  const sessions = new Map<string, Session>();
  let tell: (deviceId: string, event: PresenceEvent) => void = () => {};
  const presence = {
    session: (deviceId: string) => sessions.get(deviceId),
    onChange(listener: typeof tell) {
      tell = listener;
      return () => {};
    },
  };
  const registry = { has: (deviceId: string) => deviceId.startsWith('d') };
  const methods = createMethods({ registry, presence, throttles, clock });

  /** Connects a device; without a handler it takes no methods. */
  function connect(deviceId: string, methodHandler?: MethodHandler): Session {
    const session = { deviceId, methodHandler } as Session;
    sessions.set(deviceId, session);
    tell(deviceId, 'connected');
    if (methodHandler !== undefined) tell(deviceId, 'methods');
    return session;
  }
  const disconnect = (deviceId: string) => {
    sessions.delete(deviceId);
    tell(deviceId, 'disconnected');
  };
  const answer = (session: Session, call: MethodCall, status = 200, text = '{}') =>
    methods.respond(session, call.requestId, status, Buffer.from(text));
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { clock, methods, connect, disconnect, answer, settle };
}

test('a method goes to the device and its answer comes back', async () => {
  const { methods, connect, answer } = open();
  const session = connect('d1', (call) => {
    assert.equal(call.methodName, 'reboot');
    assert.equal(call.body.toString(), '{"delay":5}');
    answer(session, call, 202, '{"ok":[1]}');
  });
  const response = await methods.invoke('d1', { methodName: 'reboot', payload: { delay: 5 } });
  assert.deepEqual(response, { status: 202, payload: { ok: [1] } });
});

test('no payload is an empty body, null is null, and an empty answer is null', async () => {
  const { methods, connect, answer } = open();
  const bodies: string[] = [];
  const session = connect('d1', (call) => {
    bodies.push(call.body.toString());
    answer(session, call, 200, '');
  });
  const first = await methods.invoke('d1', { methodName: 'a' });
  await methods.invoke('d1', { methodName: 'a', payload: null });
  assert.deepEqual(bodies, ['', 'null']);
  assert.deepEqual(first, { status: 200, payload: null });
});

test('concurrent calls get their own answers, in whatever order they come', async () => {
  const { methods, connect, answer, settle } = open();
  const calls: MethodCall[] = [];
  const session = connect('d1', (call) => calls.push(call));
  const answers = ['a', 'b', 'c'].map((methodName) => methods.invoke('d1', { methodName }));
  await settle();
  for (const call of calls.toReversed()) answer(session, call, 200, JSON.stringify(call.methodName));
  assert.deepEqual(
    (await Promise.all(answers)).map(({ payload }) => payload),
    ['a', 'b', 'c'],
  );
});

test('a device that is offline, or takes no methods, is refused at once', async () => {
  const { methods, connect } = open();
  const refused = (state: RegExp) => ({ code: 'DeviceNotOnline', message: state });
  await assert.rejects(methods.invoke('d1', { methodName: 'a' }), refused(/"d1" is not connected/));
  connect('d1');
  await assert.rejects(methods.invoke('d1', { methodName: 'a' }), refused(/connected, but takes no methods/));
  await assert.rejects(methods.invoke('x', { methodName: 'a' }), { code: 'DeviceNotFound' });
});

test('a call waits for the device to come online and subscribe, as long as it was told to', async () => {
  const { methods, connect, answer, clock, settle } = open();
  const request = { methodName: 'a', connectTimeoutMs: 10_000 };
  const first = methods.invoke('d1', request);
  const second = methods.invoke('d1', request);
  await settle();
  clock.advance(9000);
  connect('d1');
  const session = connect('d1', (call) => answer(session, call));
  assert.equal((await first).status, 200);
  assert.equal((await second).status, 200);
  const other = methods.invoke('d2', request);
  await settle();
  clock.advance(10_000);
  await assert.rejects(other, { code: 'DeviceNotOnline' });
});

test('a device that does not answer in time is a timeout, and its late answer is ignored', async () => {
  const { methods, connect, answer, clock, settle } = open();
  const calls: MethodCall[] = [];
  const session = connect('d1', (call) => calls.push(call));
  const standard = methods.invoke('d1', { methodName: 'a' });
  const short = methods.invoke('d1', { methodName: 'b', responseTimeoutMs: 5000 });
  await settle();
  clock.advance(5000);
  await assert.rejects(short, {
    code: 'GatewayTimeout',
    message: /"d1" did not answer the method "b" within 5 s/,
  });
  clock.advance(24_999);
  const [call] = calls;
  assert.ok(call !== undefined);
  answer(session, call);
  answer(session, call, 500);
  assert.equal((await standard).status, 200);
});

test('the answer may come over a new connection of the same device, but not from another device', async () => {
  const { methods, connect, disconnect, answer, settle } = open();
  const calls: MethodCall[] = [];
  connect('d1', (call) => calls.push(call));
  const other = connect('d2', () => {});
  const response = methods.invoke('d1', { methodName: 'a' });
  await settle();
  const [call] = calls;
  assert.ok(call !== undefined);
  disconnect('d1');
  answer(other, call, 666);
  answer(connect('d1'), call, 201);
  assert.equal((await response).status, 201);
});

test('payloads and answers have at most 128 KiB', async () => {
  const { methods, connect, answer } = open();
  let size = 128 * 1024;
  const session = connect('d1', (call) => answer(session, call, 200, `"${'x'.repeat(size - 2)}"`));
  const payload = 'x'.repeat(size - 2);
  assert.equal((await methods.invoke('d1', { methodName: 'a', payload })).status, 200);
  const large = methods.invoke('d1', { methodName: 'a', payload: `${payload}x` });
  await assert.rejects(large, { code: 'MessageTooLarge', message: /131073 bytes, more than 131072/ });
  size += 1;
  await assert.rejects(methods.invoke('d1', { methodName: 'a' }), {
    code: 'MessageTooLarge',
    message: /answered/,
  });
});

test('an answer that is not JSON is told to the caller', async () => {
  const { methods, connect, answer } = open();
  const session = connect('d1', (call) => answer(session, call, 200, 'OK'));
  await assert.rejects(methods.invoke('d1', { methodName: 'a' }), {
    code: 'ArgumentInvalid',
    message: /not JSON/,
  });
});

test('names and timeouts outside their ranges are refused', async () => {
  const { methods, connect, answer } = open();
  const session = connect('d1', (call) => answer(session, call));
  for (const methodName of ['', 'a b', 'a/b', 'a#', 'ä', '$a', 'x'.repeat(129)]) {
    await assert.rejects(methods.invoke('d1', { methodName }), { code: 'ArgumentInvalid' }, methodName);
  }
  await methods.invoke('d1', { methodName: 'thermostat*getMaxMinReport_1.0-b' });
  for (const responseTimeoutMs of [4999, 300_001, Number.NaN]) {
    const message = /responseTimeoutInSeconds must be 5 to 300/;
    await assert.rejects(methods.invoke('d1', { methodName: 'a', responseTimeoutMs }), {
      code: 'ArgumentInvalid',
      message,
    });
  }
  for (const connectTimeoutMs of [-1, 300_001]) {
    const message = /connectTimeoutInSeconds must be 0 to 300/;
    await assert.rejects(methods.invoke('d1', { methodName: 'a', connectTimeoutMs }), {
      code: 'ArgumentInvalid',
      message,
    });
  }
});

test('bytes are throttled in steps of 4 KiB, and metered both ways', async () => {
  const taken: string[] = [];
  const { methods, connect, answer } = open({
    take: async (kind, cost, deviceId) => void taken.push(`${kind} ${cost} ${deviceId}`),
    meter: (bytes, kind) => void taken.push(`${kind} ${bytes}`),
  });
  const session = connect('d1', (call) => answer(session, call));
  await methods.invoke('d1', { methodName: 'a', payload: 'x'.repeat(5000) });
  assert.deepEqual(taken, ['method 1 d1', 'methodBytes 8192 d1', 'method 5002', 'method 2']);
});

test('a call that is throttled is not sent', async () => {
  const { methods, connect } = open({ take: () => Promise.reject(new Error('slow down')), meter() {} });
  connect('d1', () => assert.fail('sent'));
  await assert.rejects(methods.invoke('d1', { methodName: 'a' }), /slow down/);
});

test('a quota that is used up by the answer is told to the caller', async () => {
  const { methods, connect, answer } = open({
    take: () => Promise.resolve(),
    meter(bytes) {
      if (bytes > 0) throw new HubError('QuotaExceeded', 'used up');
    },
  });
  const session = connect('d1', (call) => answer(session, call));
  await assert.rejects(methods.invoke('d1', { methodName: 'a' }), { code: 'QuotaExceeded' });
});

test('when the hub stops, open and waiting calls end', async () => {
  const { methods, connect, settle } = open();
  connect('d1', () => {});
  const opened = methods.invoke('d1', { methodName: 'a' });
  const waits = methods.invoke('d2', { methodName: 'a', connectTimeoutMs: 5000 });
  await settle();
  methods.stop();
  await assert.rejects(opened, { code: 'GatewayTimeout', message: /hub stopped/ });
  await assert.rejects(waits, { code: 'DeviceNotOnline' });
});
