/** Updates on a stick, for a machine whose link is gone: signed as any other, or refused. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { MetadataFile } from '@iotdh/proto/update/v1';
import { createRepository } from '@iotdh/trust/testing';
import { addPatch, type TestPack } from './testing/pack.ts';
import { offeredMetadata, signedManifest } from './testing/signed.ts';
import { createWorkstation, type Workstation } from './testing/workstation.ts';
import { writeBundle } from './transfer/testing/bundle.ts';
import type { Blobs } from './transfer/testing/pack.ts';

const limit = { timeout: 120_000 };
const program = fileURLToPath(new URL('../bin/iotdh-agent.js', import.meta.url));

type Stick = { blobs: Blobs; pack: TestPack; metadata?: readonly MetadataFile[] };

/** Writes a stick; answers its folder. */
function stickFor({ folder }: Workstation, name: string, { blobs, pack, metadata }: Stick): string {
  const stick = join(folder, name);
  writeBundle(stick, { blobs, manifest: pack.ref }, metadata);
  return stick;
}

/** `iotdh-agent import`: the exit code, and what it printed. */
const importFrom = ({ folder }: Workstation, stick: string): Promise<string> =>
  new Promise((resolve) => {
    const command = [program, 'import', stick, '--config', join(folder, 'config.json')];
    execFile(process.execPath, command, (error, stdout, stderr) =>
      resolve(`${error?.code ?? 0} ${stdout}${stderr}`),
    );
  });

test(
  'a machine without a link takes a signed pack from a stick, which may be away for a while, and no other',
  limit,
  async (t) => {
    const station = await createWorkstation(t);
    const { client, repository } = station;
    await station.hub.crash();
    const blobs: Blobs = new Map();
    const pack = addPatch(blobs, { version: '2.0', fileBytes: 400_000 });

    const unsigned = stickFor(station, 'unsigned', { blobs, pack });
    assert.match(await importFrom(station, unsigned), /^1 iotdh-agent: .*not trusted \(missing_metadata\)/);
    const stranger = await createRepository({ nowMs: Date.now() });
    await stranger.publish(signedManifest(pack.ref));
    const foreignBlobs = new Map(blobs);
    const metadata = offeredMetadata(stranger, foreignBlobs);
    const foreign = stickFor(station, 'foreign', { blobs: foreignBlobs, pack, metadata });
    assert.match(await importFrom(station, foreign), /^1 iotdh-agent: .*not trusted \(unsigned\)/);

    await repository.publish(signedManifest(pack.ref));
    const signed = { metadata: offeredMetadata(repository, blobs), blobs, pack };
    const stick = stickFor(station, 'stick', signed);
    const pocket = `${stick}-in-a-pocket`;
    // The machine is in use, so that nothing has been read when the stick is pulled out.
    assert.match(await importFrom(station, stick), /^0 carto@2\.0 waits until the machine is ready/);
    renameSync(stick, pocket);
    await client.ready();
    await station.reached('INTRANSIT_PATCH');
    await station.kill();
    await station.start();
    assert.equal((await client.getState()).state, 'INTRANSIT_PATCH');
    renameSync(pocket, stick);
    assert.match(await importFrom(station, stick), /^0 carto@2\.0 is under way already/);
    await station.reached('WAIT_CONFIRM_PATCH');
    renameSync(stick, pocket);
    await station.confirm();
    await station.reached('READY');
    assert.equal(station.installed(), '2.0');
  },
);
