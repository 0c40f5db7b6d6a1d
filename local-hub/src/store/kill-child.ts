/** The process that kill.test.ts kills: writes numbered units without end and prints each number when it is durable. */
import { writeSync } from 'node:fs';
import { openStore } from './open-store.ts';

const [, , dataDir] = process.argv;
if (dataDir === undefined) throw new Error('usage: kill-child.ts DATA_DIR');
const inFlight = 40;
const kept = 5;

const store = openStore({ dataDir });
let number = store.events.lastPosition(0)?.sequence ?? 0;

function writeUnit(unit: number): Promise<void> {
  return store.atomically(() => {
    const body = Buffer.alloc(unit % 7 === 0 ? 60_000 : 600, unit % 251);
    const times = { enqueuedMs: unit, expiresMs: unit };
    const names = { deviceId: 'd', generationId: 'g', ack: 'none', messageId: '' };
    void store.commands.add({ sequence: unit, deliveryCount: 0, ...times, ...names }, { header: '{}', body });
    void store.commands.remove(unit - kept);
    void store.documents.put('setting', 'counter', unit);
    const row = { sequence: unit, offset: unit, enqueuedMs: unit, deviceId: 'd', header: '{}', body };
    return store.events.append(0, row);
  });
}

async function writeForever(): Promise<never> {
  for (;;) {
    number += 1;
    const unit = number;
    await writeUnit(unit);
    writeSync(1, `${unit}\n`);
  }
}

await Promise.all(Array.from({ length: inFlight }, writeForever));
