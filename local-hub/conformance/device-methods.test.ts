/** Direct methods: the service SDK calls, azure-iot-device answers over each transport, and every way in which that fails. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type iot from 'azure-iot-device';
import { Amqp } from 'azure-iot-device-amqp';
import { Mqtt, MqttWs } from 'azure-iot-device-mqtt';
import type iothub from 'azure-iothub';
import { eventually, failsWith, within } from './expect.ts';
import { startHub } from './hub.ts';
import { createRest, createService, openDevice, type Transport } from './sdk.ts';

const hub = await startHub();
const service = createService(hub);
const transports: readonly [string, Transport][] = [
  ['MQTT', Mqtt],
  ['MQTT over WebSocket', MqttWs],
  ['AMQP', Amqp],
];

type MethodResult = { status: number; payload: unknown };

async function invoke(deviceId: string, params: iothub.DeviceMethodParams): Promise<MethodResult> {
  const { result } = await service.invokeDeviceMethod(deviceId, params);
  return result as MethodResult;
}

async function online(
  deviceId: string,
  transport: Transport,
  methods: Record<string, MethodHandler>,
): Promise<iot.Client> {
  await hub.addDevice(deviceId);
  const client = await openDevice(hub, deviceId, { transport });
  for (const [name, handler] of Object.entries(methods)) client.onDeviceMethod(name, handler);
  await eventually('the method subscription', () => hub.engine.presence.session(deviceId)?.methodHandler);
  return client;
}

type MethodHandler = (request: iot.DeviceMethodRequest, response: iot.DeviceMethodResponse) => void;

for (const [name, transport] of transports) {
  const prefix = name.toLowerCase().replaceAll(' ', '-');

  test(`${name}: a method carries any JSON both ways, with the device's own status`, async () => {
    const deviceId = `${prefix}-call`;
    await online(deviceId, transport, {
      echo: (request, response) => void response.send(207, { got: request.payload }, () => {}),
      nothing: (_request, response) => void response.send(200, () => {}),
    });
    for (const payload of [{ a: [1, null, 'é\u{1F600}'] }, 'text', 42, [1, 2], true]) {
      const result = await invoke(deviceId, { methodName: 'echo', payload, responseTimeoutInSeconds: 10 });
      assert.deepEqual(result, { status: 207, payload: { got: payload } });
    }
    assert.deepEqual(
      await invoke(deviceId, { methodName: 'nothing', payload: null, responseTimeoutInSeconds: 10 }),
      {
        status: 200,
        payload: null,
      },
    );
  });

  test(`${name}: twenty calls at once are each answered with their own answer`, async () => {
    const deviceId = `${prefix}-many`;
    await online(deviceId, transport, {
      double: (request, response) => void response.send(200, request.payload * 2, () => {}),
    });
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        invoke(deviceId, { methodName: 'double', payload: n, responseTimeoutInSeconds: 10 }),
      ),
    );
    assert.deepEqual(
      results.map(({ payload }) => payload),
      Array.from({ length: 20 }, (_, n) => n * 2),
    );
  });
}

test('a device that is not connected is a plain Error whose body says DeviceNotOnline, with the nested error code', async () => {
  await hub.addDevice('offline');
  const error = await failsWith('Error', invoke('offline', { methodName: 'm', payload: 1 }));
  assert.equal(error.response?.statusCode, 404);
  const { Message: outer } = JSON.parse(error.responseBody ?? '') as { Message: string };
  assert.match(outer, /404103/);
  const inner = JSON.parse(outer) as {
    errorCode: number;
    trackingId: string;
    message: string;
    timestampUtc: string;
  };
  assert.equal(inner.errorCode, 404103);
  assert.ok(inner.trackingId && inner.timestampUtc && inner.message);
});

test('a device that is connected but not subscribed to methods is not online for them either', async () => {
  await hub.addDevice('unsubscribed');
  await openDevice(hub, 'unsubscribed');
  const error = await failsWith('Error', invoke('unsubscribed', { methodName: 'm', payload: 1 }));
  assert.match(error.responseBody ?? '', /404103/);
});

test('an unknown device is DeviceNotFoundError', async () => {
  await failsWith('DeviceNotFoundError', invoke('nobody', { methodName: 'm', payload: 1 }));
});

test('a connect timeout waits for the device to come online', async () => {
  await hub.addDevice('late');
  const answer = invoke('late', {
    methodName: 'hello',
    payload: null,
    connectTimeoutInSeconds: 20,
    responseTimeoutInSeconds: 10,
  });
  const client = await openDevice(hub, 'late');
  client.onDeviceMethod('hello', (_request, response) => void response.send(200, 'here', () => {}));
  assert.deepEqual(await within('the answer', answer), { status: 200, payload: 'here' });
});

// IoT Hub's shortest timeout is 5 s, so these wait together.
suite('a device that does not answer', { concurrency: true }, () => {
  test('a method without a handler gets no answer from the SDK, so the hub answers 504 in time', async () => {
    await online('deaf', Mqtt, { other: (_request, response) => void response.send(200, () => {}) });
    const error = await failsWith(
      'GatewayTimeoutError',
      invoke('deaf', { methodName: 'unheard', payload: 1, responseTimeoutInSeconds: 5 }),
    );
    assert.equal(error.response?.statusCode, 504);
  });

  test('a device that leaves in the middle of a call fails it', async () => {
    const client = await online('leaver', Mqtt, { slow: () => void client.close() });
    const error = await failsWithEither(
      ['GatewayTimeoutError', 'Error'],
      invoke('leaver', { methodName: 'slow', payload: 1, responseTimeoutInSeconds: 5 }),
    );
    assert.ok([404, 504].includes(error.response?.statusCode ?? 0));
  });
});

test('a payload over 128 KB, a bad timeout and a bad name are ArgumentError', async () => {
  await online('strict', Mqtt, { m: (_request, response) => void response.send(200, () => {}) });
  const tooLarge = invoke('strict', { methodName: 'm', payload: 'x'.repeat(128 * 1024 + 1) });
  const error = await failsWithEither(['ArgumentError', 'Error'], tooLarge);
  assert.ok([400, 413].includes(error.response?.statusCode ?? 0));
  await failsWith(
    'ArgumentError',
    invoke('strict', { methodName: 'm', payload: 1, responseTimeoutInSeconds: 301 }),
  );
  await failsWith(
    'ArgumentError',
    invoke('strict', { methodName: 'm', payload: 1, responseTimeoutInSeconds: 1 }),
  );
});

test('the plain REST call answers what az iot hub invoke-device-method expects', async () => {
  await online('rest', Mqtt, {
    ping: (request, response) => void response.send(200, { pong: request.payload }, () => {}),
  });
  const answer = await new Promise((resolve, reject) => {
    createRest(hub).executeApiCall(
      'POST',
      '/twins/rest/methods?api-version=2021-04-12',
      { 'Content-Type': 'application/json' },
      { methodName: 'ping', payload: 1, responseTimeoutInSeconds: 10 },
      (error: Error | null, body?: unknown) => (error ? reject(error) : resolve(body)),
    );
  });
  assert.deepEqual(answer, { status: 200, payload: { pong: 1 } });
});

async function failsWithEither(names: readonly string[], promise: Promise<unknown>) {
  const error = await within(
    'a failure',
    promise.then(
      () => undefined,
      (reason: unknown) => reason,
    ),
  );
  assert.ok(error instanceof Error && names.includes(error.name), String(error));
  return error as Error & { response?: { statusCode?: number } };
}
