/** No injection at all: a program as in Microsoft's tutorials, which trusts the hub through NODE_EXTRA_CA_CERTS alone. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { startHubProcess } from './hub-process.ts';

const hub = await startHubProcess();

async function runTutorial(
  environment: NodeJS.ProcessEnv,
): Promise<{ code: number; output: string; errors: string }> {
  await hub.addDevice('tutorial').catch(() => undefined);
  const child = spawn(process.execPath, [join(import.meta.dirname, 'tutorial.ts')], {
    env: {
      ...process.env,
      ...environment,
      DEVICE_CONNECTION_STRING: hub.deviceConnectionString('tutorial'),
      SERVICE_CONNECTION_STRING: hub.connectionString('iothubowner'),
      EVENT_HUB_CONNECTION_STRING: hub.eventHubConnectionString(true),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { code: code as number, output, errors };
}

test('with NODE_EXTRA_CA_CERTS the factories of the device, service and Event Hubs SDKs work as they are', async () => {
  const { code, output, errors } = await runTutorial({ NODE_EXTRA_CA_CERTS: hub.caPath });
  assert.equal(code, 0, errors);
  assert.deepEqual(JSON.parse(output), { command: 'hello device', event: 'hello hub' });
});

test('without it the device is refused by its own TLS, as it must be', async () => {
  const { code, errors } = await runTutorial({ NODE_EXTRA_CA_CERTS: '' });
  assert.equal(code, 1);
  assert.match(errors, /certificate/);
});
