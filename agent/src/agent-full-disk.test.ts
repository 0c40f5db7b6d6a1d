/** The real agent on a file system that is really full, in each state in which it writes. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { UpdateOutcome } from '@iotdh/proto/bus/v1';
import { AgentError } from '../../sdk-ts/src/index.ts';
import { addPatch } from './testing/pack.ts';
import { mountSmallDisk } from './testing/small-disk.ts';
import { createWorkstation, type Workstation } from './testing/workstation.ts';

const diskBytes = 12_000_000;
const fileBytes = 1_500_000;

/** Resolves once the agent has said it, or what it says now. */
async function said(station: Workstation, text: string): Promise<void> {
  while (!station.output.includes(text)) await station.outputGrows();
}

const unwritable = (error: unknown) =>
  error instanceof AgentError && /cannot write its journal/.test(error.message);

const lacksRoom = (error: unknown) =>
  error instanceof AgentError &&
  error.details?.kind === 'requirement_unmet' &&
  /: make room for \d+ more/.test(error.message);

test('on a disk that is really full the agent pauses, says so, and goes on when there is room', {
  timeout: 180_000,
}, async (t) => {
  const disk = mountSmallDisk(t, diskBytes);
  if (typeof disk === 'string') return t.skip(disk);
  const root = join(disk.folder, 'app');
  mkdirSync(root);
  writeFileSync(join(root, 'version.txt'), '1.0\n');
  const station = await createWorkstation(t, {
    dataDir: join(disk.folder, 'data'),
    roots: { 'host-app': { path: root } },
    reservedDiskBytes: 0,
  });
  const { client, cloud } = station;
  const installed = () => station.installed(root);

  // The journal: no command is answered with more than what is on disk.
  disk.fill();
  await assert.rejects(client.ready({ timeoutMs: 1500 }), unwritable);
  await said(station, 'disk full');
  assert.equal((await client.getState()).state, 'BUSY');
  disk.makeRoom();
  await client.ready();
  await station.reached('READY');

  // The transfer: the disk fills up while frames come.
  cloud.onReply((frames) => {
    if (cloud.requests.length === 4) disk.fill();
    return frames;
  });
  await cloud.offer(addPatch(station.blobs, { version: '2.0', fileBytes }));
  await said(station, 'there is no room on the disk');
  assert.equal((await client.getState()).state, 'INTRANSIT_PATCH');
  disk.makeRoom();
  await station.reached('WAIT_CONFIRM_PATCH');

  // The consent: it is not taken before it is durable.
  disk.fill();
  await assert.rejects(async () => {
    // The journal owns some room, and writes there until it is used up.
    for (let times = 0; times < 5000; times += 1) await station.postpone({ timeoutMs: 1500 });
  }, unwritable);
  assert.equal((await client.getState()).state, 'WAIT_CONFIRM_PATCH');

  // The installation: there is room for the journal, but not for what is staged.
  disk.makeRoom();
  disk.fill(700_000);
  await assert.rejects(station.confirm(), lacksRoom);
  assert.equal((await client.getState()).state, 'WAIT_CONFIRM_PATCH');
  assert.equal(installed(), '1.0');
  disk.makeRoom();
  await station.confirm();
  await station.reached('READY');
  assert.equal(installed(), '2.0');
  const { payload } = await cloud.said('updateResult');
  assert.equal(payload.value.outcome, UpdateOutcome.APPLIED);
  // Nothing that was told is lost or told out of order.
  await cloud.said('stateChanged', ({ sequence }) => sequence === 6n);
  const told = new Set(station.statesTold().map(({ sequence }) => Number(sequence)));
  assert.deepEqual([...told], [1, 2, 3, 4, 5, 6]);
});
