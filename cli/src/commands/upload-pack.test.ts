import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Failure } from '../failure.ts';
import { type UploadPackOptions, uploadPack } from './upload-pack.ts';

const content = Buffer.from('an object of two packs');
const digest = createHash('sha256').update(content).digest();

/** Uploads a pack of one object to a storage that refuses it, as if it were to be overwritten; `lacking`: what each call tells. */
async function upload(t: TestContext, lacking: Uint8Array[][]) {
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-upload-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'object'), content);
  const storage = createServer((request, response) => {
    request.resume().once('end', () => {
      response.writeHead(403, { 'content-type': 'application/xml' });
      response.end('<Error><Code>UnauthorizedBlobOverwrite</Code><Message>No.</Message></Error>');
    });
  }).listen(0, '127.0.0.1');
  await once(storage, 'listening');
  t.after(() => storage.close().closeAllConnections());
  const url = `http://127.0.0.1:${(storage.address() as AddressInfo).port}/account/objects/object?sig=x`;
  const told = [...lacking];
  const fleet = {
    packs: { createPack: async () => ({ pack: { packId: 'p' }, missingObjectDigests: told.shift() ?? [] }) },
    broker: { issueBlobAccess: async () => ({ accesses: [{ url }] }) },
  };
  const pack = {
    ...{ folder, manifestBytes: new Uint8Array(), sbom: null },
    manifest: { objects: [{ size: BigInt(content.length) }] },
    objectPath: () => join(folder, 'object'),
  };
  const options = {
    ...{ pack, fleet, keysFolder: folder, nowMs: Date.now, publish: false, parallel: 1 },
    ...{ signal: t.signal, onProgress() {} },
  };
  return uploadPack(options as unknown as UploadPackOptions);
}

test('an object that another upload has brought meanwhile is there, though access to create it is refused', async (t) => {
  const { pack } = await upload(t, [[digest], []]);
  assert.equal(pack.packId, 'p');
});

test('an object that is refused and still lacking ends the upload with what the storage said', async (t) => {
  await assert.rejects(
    upload(t, [[digest], [digest]]),
    (error) => error instanceof Failure && /UnauthorizedBlobOverwrite \(403\)/.test(error.message),
  );
});
