import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding } from '../diagnostics.ts';
import type { BlobStorage } from './blob-storage.ts';
import { createManualClock } from './clock.ts';
import { HubError } from './error.ts';
import { createFakeDocuments } from './fake-documents.ts';
import { type FileUploadOptions, openFileUpload } from './file-upload.ts';
import { openRegistry } from './registry.ts';

async function open(options: Partial<FileUploadOptions> = {}) {
  const store = createFakeDocuments();
  const clock = createManualClock();
  const registry = openRegistry({ store, clock });
  await registry.create({ deviceId: 'd1' });
  const blobs = new Map<string, number>();
  const granted: string[] = [];
  const notifications: unknown[] = [];
  const findings: Finding[] = [];
  const storage: BlobStorage = {
    containerName: 'uploads',
    async grant(blobName, expiresAtMs) {
      granted.push(`${blobName} ${expiresAtMs - clock.now()}`);
      return { hostName: 'localhost:10000/devstoreaccount1', sasToken: '?sig=x' };
    },
    uriOf: (blobName) => `https://localhost:10000/devstoreaccount1/uploads/${blobName}`,
    async properties(blobName) {
      const sizeBytes = blobs.get(blobName);
      return sizeBytes === undefined ? undefined : { sizeBytes, lastModified: '2026-01-01T00:00:01.000Z' };
    },
  };
  const base: FileUploadOptions = {
    store,
    registry,
    throttles: { take: () => Promise.resolve(), meter() {} },
    clock,
    log: { info() {}, warn: (finding) => void findings.push(finding) },
    storage,
    notify: async (body) => void notifications.push(JSON.parse(body.toString())),
  };
  const fileUpload = openFileUpload({ ...base, ...options });
  return { store, clock, registry, blobs, granted, notifications, findings, storage, base, fileUpload };
}

test('a device gets an hour of access to one blob below its own id', async () => {
  const { fileUpload, granted } = await open();
  const { correlationId, ...ticket } = await fileUpload.begin('d1', 'logs/a b.txt');
  assert.deepEqual(ticket, {
    hostName: 'localhost:10000/devstoreaccount1',
    containerName: 'uploads',
    blobName: 'd1/logs/a b.txt',
    sasToken: '?sig=x',
  });
  assert.match(correlationId, /^[\w-]{32}$/);
  assert.deepEqual(granted, ['d1/logs/a b.txt 3600000']);
});

test('a success is told to the services as Azure tells it, once', async () => {
  const { fileUpload, blobs, notifications, clock } = await open();
  const { correlationId } = await fileUpload.begin('d1', 'a.bin');
  blobs.set('d1/a.bin', 1234);
  clock.advance(2000);
  await fileUpload.complete('d1', { correlationId, isSuccess: true });
  assert.deepEqual(notifications, [
    {
      deviceId: 'd1',
      blobUri: 'https://localhost:10000/devstoreaccount1/uploads/d1/a.bin',
      blobName: 'd1/a.bin',
      lastUpdatedTime: '2026-01-01T00:00:01.000Z',
      blobSizeInBytes: 1234,
      enqueuedTimeUtc: '2026-01-01T00:00:02.000Z',
    },
  ]);
  await assert.rejects(fileUpload.complete('d1', { correlationId, isSuccess: true }), { code: 'NotFound' });
  assert.equal(notifications.length, 1);
});

test('two completions at once make one notification', async () => {
  const { fileUpload, blobs, notifications } = await open();
  const { correlationId } = await fileUpload.begin('d1', 'a.bin');
  blobs.set('d1/a.bin', 1);
  const outcome = { correlationId, isSuccess: true };
  const settled = await Promise.allSettled([
    fileUpload.complete('d1', outcome),
    fileUpload.complete('d1', outcome),
  ]);
  assert.deepEqual(
    settled.map((each) => each.status),
    ['fulfilled', 'rejected'],
  );
  assert.equal(notifications.length, 1);
});

test('a failure closes the upload and is told to the log only', async () => {
  const { fileUpload, notifications, findings } = await open();
  const { correlationId } = await fileUpload.begin('d1', 'a.bin');
  await fileUpload.complete('d1', {
    correlationId,
    isSuccess: false,
    statusCode: 500,
    statusDescription: 'disk full',
  });
  assert.deepEqual(notifications, []);
  assert.equal(findings[0]?.reason, 'the device says: 500 disk full');
  await assert.rejects(fileUpload.complete('d1', { correlationId, isSuccess: true }), { code: 'NotFound' });
});

test('a success without a blob is refused, and can be repeated when the blob is there', async () => {
  const { fileUpload, blobs, notifications } = await open();
  const { correlationId } = await fileUpload.begin('d1', 'a.bin');
  const outcome = { correlationId, isSuccess: true };
  await assert.rejects(fileUpload.complete('d1', outcome), {
    code: 'ArgumentInvalid',
    message: /no such blob/,
  });
  blobs.set('d1/a.bin', 1);
  await fileUpload.complete('d1', outcome);
  assert.equal(notifications.length, 1);
});

test('a device has ten uploads open at most, also when it asks for all at once', async () => {
  const { fileUpload, clock } = await open();
  const begun = await Promise.allSettled(
    Array.from({ length: 12 }, (_, index) => fileUpload.begin('d1', `f${index}`)),
  );
  const tickets = begun.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  assert.equal(tickets.length, 10);
  const full = { code: 'Throttled', message: /"d1" has 10 uploads open/ };
  await assert.rejects(fileUpload.begin('d1', 'more'), full);
  await fileUpload.complete('d1', { correlationId: tickets[0]?.correlationId ?? '', isSuccess: false });
  await fileUpload.begin('d1', 'more');
  await assert.rejects(fileUpload.begin('d1', 'still more'), full);
  clock.advance(3_600_000);
  await fileUpload.begin('d1', 'later');
});

test('uploads that ran out cannot be completed, and nothing of them is kept', async () => {
  const { fileUpload, blobs, clock, store } = await open();
  const { correlationId } = await fileUpload.begin('d1', 'a.bin');
  blobs.set('d1/a.bin', 1);
  clock.advance(3_600_000);
  await assert.rejects(fileUpload.complete('d1', { correlationId, isSuccess: true }), { code: 'NotFound' });
  await fileUpload.begin('d1', 'b.bin');
  assert.equal([...store.stored.keys()].filter((key) => key.startsWith('upload/')).length, 1);
});

test('only the device itself can complete its upload', async () => {
  const { fileUpload, registry } = await open();
  await registry.create({ deviceId: 'd2' });
  const { correlationId } = await fileUpload.begin('d1', 'a.bin');
  await assert.rejects(fileUpload.complete('d2', { correlationId, isSuccess: false }), { code: 'NotFound' });
  await fileUpload.complete('d1', { correlationId, isSuccess: false });
});

test('open uploads survive a restart, and go with their device', async () => {
  const { fileUpload, base, store, blobs, notifications, registry } = await open();
  const { correlationId } = await fileUpload.begin('d1', 'a.bin');
  await fileUpload.begin('d1', 'b.bin');
  blobs.set('d1/a.bin', 1);
  const restarted = openFileUpload({ ...base, store: createFakeDocuments(new Map(store.stored)) });
  await restarted.complete('d1', { correlationId, isSuccess: true });
  assert.equal(notifications.length, 1);
  await registry.remove('d1');
  assert.equal(
    [...store.stored.keys()].some((key) => key.startsWith('upload/')),
    false,
  );
});

test('names that are no blob names are refused', async () => {
  const { fileUpload, granted } = await open();
  const names = ['', '/', 'a//b', '../d2/x', 'a/../../d2/x', './a', 'a.', 'a/', 'a\nb', 'x'.repeat(1022), 7];
  for (const name of names) {
    await assert.rejects(fileUpload.begin('d1', name as string), { code: 'ArgumentInvalid' }, String(name));
  }
  assert.deepEqual(granted, []);
  await fileUpload.begin('d1', 'x'.repeat(1021));
});

test('without a storage account, device or room, the refusal says what to do', async () => {
  const off = (await open({ storage: undefined })).fileUpload;
  await assert.rejects(off.begin('d1', 'a'), {
    code: 'NotImplemented',
    message: /storage connection string/,
  });
  const { fileUpload } = await open();
  await assert.rejects(fileUpload.begin('d2', 'a'), { code: 'DeviceNotFound' });
  const take = () => Promise.reject(new HubError('Throttled', 'slow down'));
  const slow = (await open({ throttles: { take, meter() {} } })).fileUpload;
  await assert.rejects(slow.begin('d1', 'a'), { code: 'Throttled' });
});

test('when the storage does not answer, nothing stays open', async () => {
  const { storage, base, store } = await open();
  const grant = () => Promise.reject(new HubError('StorageUnavailable', 'gone'));
  const fileUpload = openFileUpload({ ...base, storage: { ...storage, grant } });
  for (let attempt = 0; attempt < 11; attempt += 1) {
    await assert.rejects(fileUpload.begin('d1', 'a'), { code: 'StorageUnavailable' });
  }
  assert.equal(
    [...store.stored.keys()].some((key) => key.startsWith('upload/')),
    false,
  );
});

test('with notifications off an upload completes all the same', async () => {
  const { fileUpload, blobs } = await open({ notify: undefined });
  const { correlationId } = await fileUpload.begin('d1', 'a.bin');
  blobs.set('d1/a.bin', 1);
  await fileUpload.complete('d1', { correlationId, isSuccess: true });
});
