/** File upload: azure-iot-device asks, uploads to a real Azurite and reports; the service SDK is notified. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { BlobServiceClient, BlockBlobClient } from '@azure/storage-blob';
import type common from 'azure-iot-common';
import { createArrivals, failsWith, within } from './expect.ts';
import { startHub } from './hub.ts';
import { createService, openDevice } from './sdk.ts';

const hub = await startHub({ storage: { azuritePort: 0 } });

type Notification = {
  deviceId: string;
  blobUri: string;
  blobName: string;
  lastUpdatedTime: string;
  blobSizeInBytes: number;
  enqueuedTimeUtc: string;
};

const { result: receiver } = await createService(hub).getFileNotificationReceiver();
const notifications = createArrivals<Notification>('file notification');
receiver.on('message', (message: common.Message) => {
  notifications.add(JSON.parse(message.getData().toString()) as Notification);
});

test('uploadToBlob stores the bytes and the service is told where they are', async () => {
  await hub.addDevice('uploader');
  const client = await openDevice(hub, 'uploader');
  const content = randomBytes(300_000);
  await within(
    'the upload',
    client.uploadToBlob('logs/today (1).bin', Readable.from([content]), content.length),
  );
  const data = await notifications.find(({ deviceId }) => deviceId === 'uploader');
  assert.equal(data.blobName, 'uploader/logs/today (1).bin');
  assert.equal(data.blobSizeInBytes, content.length);
  assert.ok(Math.abs(Date.parse(data.enqueuedTimeUtc) - Date.now()) < 60_000);
  assert.ok(Date.parse(data.lastUpdatedTime));
  assert.match(data.blobUri, /^https:\/\/localhost:\d+\/devstoreaccount1\//);
  const stored = await download('uploader/logs/today (1).bin');
  assert.ok(stored.equals(content));
});

test('the separate calls: the ticket allows writing that blob and no other, and ends', async () => {
  await hub.addDevice('separate');
  const client = await openDevice(hub, 'separate');
  const ticket = await client.getBlobSharedAccessSignature('one.txt');
  assert.equal(ticket.blobName, 'separate/one.txt');
  assert.ok(ticket.sasToken?.startsWith('?'));
  const blob = (name: string) =>
    new BlockBlobClient(`https://${ticket.hostName}/${ticket.containerName}/${name}${ticket.sasToken}`);
  await blob('separate/one.txt').upload('hello', 5);
  await assert.rejects(blob('separate/two.txt').upload('hello', 5), { statusCode: 403 });
  const ends = Date.parse(new URLSearchParams(ticket.sasToken).get('se') ?? '');
  assert.ok(ends > Date.now() && ends < Date.now() + 2 * 3_600_000);
  await client.notifyBlobUploadStatus(ticket.correlationId, true, 200, 'OK');
  const data = await notifications.find(({ deviceId }) => deviceId === 'separate');
  assert.equal(data.blobName, 'separate/one.txt');
  await assert.rejects(
    client.notifyBlobUploadStatus(ticket.correlationId, true, 200, 'OK'),
    'a ticket is used once',
  );
});

test('the notification may carry its correlation id in the body, as the documentation has it', async () => {
  await hub.addDevice('by-body');
  const client = await openDevice(hub, 'by-body');
  const { correlationId, hostName, containerName, blobName, sasToken } =
    await client.getBlobSharedAccessSignature('b.txt');
  await new BlockBlobClient(`https://${hostName}/${containerName}/${blobName}${sasToken}`).upload('x', 1);
  const answer = await fetch(
    `https://${hub.hostName}/devices/by-body/files/notifications?api-version=2021-04-12`,
    {
      method: 'POST',
      headers: {
        authorization: hub.deviceToken('by-body'),
        'content-type': 'application/json',
        connection: 'close',
      },
      body: JSON.stringify({ correlationId, isSuccess: true, statusCode: 200, statusDescription: 'OK' }),
    },
  );
  assert.ok(answer.ok, await answer.text());
  await notifications.find(({ deviceId }) => deviceId === 'by-body');
});

test('an upload that the device reports as failed notifies nobody', async () => {
  await hub.addDevice('failed');
  const client = await openDevice(hub, 'failed');
  const ticket = await client.getBlobSharedAccessSignature('lost.txt');
  await client.notifyBlobUploadStatus(ticket.correlationId, false, 500, 'disk full');
  const after = await client.getBlobSharedAccessSignature('found.txt');
  await new BlockBlobClient(
    `https://${after.hostName}/${after.containerName}/${after.blobName}${after.sasToken}`,
  ).upload('x', 1);
  await client.notifyBlobUploadStatus(after.correlationId, true, 200, 'OK');
  await notifications.find(({ deviceId }) => deviceId === 'failed');
  assert.deepEqual(
    notifications.all.filter(({ deviceId }) => deviceId === 'failed').map(({ blobName }) => blobName),
    ['failed/found.txt'],
  );
});

test('an eleventh open upload and an unknown correlation id are refused, with one line each', async () => {
  await hub.addDevice('greedy');
  const client = await openDevice(hub, 'greedy');
  for (let n = 0; n < 10; n += 1) await client.getBlobSharedAccessSignature(`${n}.bin`);
  const lines = hub.watchLines();
  const error = await within(
    'a failure',
    client.getBlobSharedAccessSignature('11.bin').then(
      () => undefined,
      (reason: unknown) => reason,
    ),
  );
  assert.ok(error instanceof Error);
  assert.match(await lines.only(), /greedy.*10/);
  await assert.rejects(client.notifyBlobUploadStatus('unknown', true, 200, 'OK'));
});

test('without storage, uploadToBlob is BlobSasError, and one line says what to configure', async () => {
  const bare = await startHub();
  await bare.addDevice('nowhere');
  const client = await openDevice(bare, 'nowhere');
  const lines = bare.watchLines();
  await failsWith('BlobSasError', client.uploadToBlob('x', Readable.from(['x']), 1));
  assert.match(await lines.only(), /storage/i);
});

async function download(blobName: string): Promise<Buffer> {
  const service = BlobServiceClient.fromConnectionString(hub.storageConnectionString);
  for await (const container of service.listContainers()) {
    const blob = service.getContainerClient(container.name).getBlobClient(blobName);
    if (await blob.exists()) return blob.downloadToBuffer();
  }
  return assert.fail(`no blob ${blobName}`);
}
