/** azure-iothub's JobClient, configurations, modules and imports: what is not implemented says so, at once and by name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { within } from './expect.ts';
import { startHub } from './hub.ts';
import { createJobs, createRegistry } from './sdk.ts';

const hub = await startHub();
const jobs = createJobs(hub);
const registry = createRegistry(hub);

const calls: Record<string, () => Promise<unknown>> = {
  'JobClient.getJob': () => jobs.getJob('j'),
  'JobClient.cancelJob': () => jobs.cancelJob('j'),
  'JobClient.scheduleTwinUpdate': () => jobs.scheduleTwinUpdate('j', '*', { tags: {} }, new Date(), 60),
  'JobClient.scheduleDeviceMethod': () =>
    jobs.scheduleDeviceMethod(
      'j',
      '*',
      { methodName: 'm', payload: 1, responseTimeoutInSeconds: 10 },
      new Date(),
      60,
    ),
  'JobClient.createQuery': () => jobs.createQuery().next() as Promise<unknown>,
  'Registry.importDevicesFromBlob': () => registry.importDevicesFromBlob('https://x/in', 'https://x/out'),
  'Registry.exportDevicesToBlob': () => registry.exportDevicesToBlob('https://x/out', true),
  'Registry.getConfigurations': () => registry.getConfigurations(),
  'Registry.addModule': () => registry.addModule({ deviceId: 'd', moduleId: 'm' }),
};

for (const [name, call] of Object.entries(calls)) {
  test(`${name} answers 501 and says in words that the local hub does not implement it`, async () => {
    await hub.addDevice('d').catch(() => undefined);
    const error = await within(
      name,
      call().then(
        () => undefined,
        (reason: unknown) => reason,
      ),
    );
    assert.ok(error instanceof Error, 'it succeeded');
    const { response, responseBody } = error as Error & {
      response?: { statusCode: number };
      responseBody?: string;
    };
    assert.equal(response?.statusCode, 501);
    assert.match(responseBody ?? '', /NotImplemented/);
    assert.match(error.message, /does not implement/);
  });
}
