/**
 * The process that engine-kill.test.ts kills: sends numbered messages to a device that completes them, and appends as many
 * events, without end. Prints what was acknowledged: `sent N`, `completed N`, `appended N`.
 */
import { writeSync } from 'node:fs';
import { silentLog } from '../diagnostics.ts';
import { openStore } from '../store/open-store.ts';
import type { DeviceAuth } from './authentication.ts';
import { createSystemClock } from './clock.ts';
import { createEngine } from './engine.ts';
import { isHubError } from './error.ts';

const [, , dataDir, firstNumber] = process.argv;
if (dataDir === undefined) throw new Error('usage: engine-kill-child.ts DATA_DIR FIRST_NUMBER');
const say = (line: string) => writeSync(1, `${line}\n`);

const store = openStore({ dataDir });
const settings = { hostName: 'localhost', throttles: 'off', feedback: { maxRecords: 7 } } as const;
const { registry, cloudToDevice, telemetry } = await createEngine({
  store,
  clock: createSystemClock(),
  log: silentLog,
  settings,
});
const device = registry.get('d1') ?? (await registry.create({ deviceId: 'd1' }));
const auth: DeviceAuth = {
  deviceId: 'd1',
  generationId: device.generationId,
  authMethod: { scope: 'device', type: 'sas', issuer: 'iothub' },
};
let number = Number(firstNumber);

function message(id: number) {
  const body = Buffer.from(`${id}`.padEnd(id % 5 === 0 ? 40_000 : 400));
  return { body, system: { messageId: `${id}`, ack: 'full' as const }, properties: {} };
}

const receiver = cloudToDevice.receive('d1', {
  window: 10,
  deliver({ lockToken, message: { system } }) {
    void receiver.complete(lockToken).then(() => say(`completed ${system.messageId}`));
  },
});

async function sendForever(): Promise<never> {
  for (;;) {
    const id = number;
    number += 1;
    try {
      await cloudToDevice.send('d1', message(id));
      say(`sent ${id}`);
    } catch (error) {
      if (!isHubError(error, 'DeviceMaximumQueueDepthExceeded')) throw error;
    }
    await telemetry.append({ deviceId: 'd1', auth, message: message(id) });
    say(`appended ${id}`);
  }
}

await Promise.all(Array.from({ length: 20 }, sendForever));
