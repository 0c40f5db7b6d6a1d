/** The commands against the services themselves: a hub, Blob Storage, a database and every service, as processes. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bytesOf } from '../../../agent/src/transfer/testing/pack.ts';
import { build, patchYaml, writeTree } from '../pack-build/testing/description.ts';
import { rootFileIn } from '../signing/key-folder.ts';
import { runHere } from '../testing/fake-fleet.ts';
import { startEnvironment } from './environment.ts';
import { isAlive } from './folder-lock.ts';

test('a pack is uploaded, taken up where an upload was cut, assigned and withdrawn; a killed service comes back; nothing is left', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-environment-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const environment = await startEnvironment({ folder: join(folder, 'dev') });
  t.after(() => environment.stop());
  const { apiUrl, brokerUrl, caPath, keysFolder, operatorTokenFile, parts } = environment;
  const iotdh = async (...args: string[]) => {
    const ran = await runHere(args, {
      IOTDH_API_URL: apiUrl,
      IOTDH_BROKER_URL: brokerUrl,
      IOTDH_CA_FILE: caPath,
      IOTDH_TOKEN_FILE: operatorTokenFile,
      IOTDH_KEYS_FOLDER: keysFolder,
    });
    return { ...ran, json: () => JSON.parse(ran.out) as Record<string, string | undefined> };
  };

  await writeTree(join(folder, 'tree'), { 'a.txt': 'hello\n', 'big.bin': bytesOf(5_000_000, 1) });
  const first = await build(folder, patchYaml);
  const draft = await iotdh('pack', 'upload', first.folder, '--draft');
  assert.equal(draft.code, 0, draft.notes);
  assert.equal(draft.json().state, 'PACK_STATE_DRAFT');
  const published = await iotdh('pack', 'upload', first.folder);
  assert.equal(published.json().state, 'PACK_STATE_PUBLISHED', published.notes);
  assert.match(published.notes, /Sent 0 B/);

  const root = ['--root', rootFileIn(keysFolder)];
  const bill = await readFile(join(first.folder, 'sbom.cdx.json'), 'utf8');
  const kept = await iotdh('pack', 'sbom', 'carto', ...root);
  assert.deepEqual([kept.code, kept.out], [0, bill], kept.notes);
  const stick = join(folder, 'stick');
  assert.equal((await iotdh('pack', 'export', first.folder, '--to', stick)).code, 0);
  const { packs } = JSON.parse(await readFile(join(stick, 'bundle.json'), 'utf8'));
  const bundled = join(stick, 'sboms', Buffer.from(packs[0].sbom.digest, 'base64').toString('hex'));
  assert.equal(await readFile(bundled, 'utf8'), bill);
  await writeFile(join(first.folder, 'sbom.cdx.json'), bill.replace('a.txt', 'b.txt'));
  const other = await iotdh('pack', 'export', first.folder, '--to', stick);
  assert.deepEqual([other.code, /not the one that was signed/.test(other.notes)], [1, true], other.notes);

  assert.match((await iotdh('device', 'register', 'ws-1')).json().enrolmentToken ?? '', /^.{32,}$/);
  assert.equal((await iotdh('device', 'register', 'ws-1')).code, 1);
  const assigned = await iotdh('assign', 'carto', 'ws-1', '-o', 'name');
  assert.equal(assigned.code, 0, assigned.notes);
  const assignmentId = assigned.out.trim();

  await parts.api.kill();
  assert.equal((await iotdh('assignment', 'get', assignmentId)).code, 5);
  await rm(join(folder, 'dev', 'trust', 'online'), { recursive: true });
  await parts.api.start();
  assert.equal((await iotdh('assignment', 'get', assignmentId)).json().state, 'ASSIGNMENT_STATE_WAITING');
  assert.equal((await iotdh('assign', 'carto', 'ws-1')).code, 1, 'one goes on');
  const cancelled = await iotdh('assignment', 'cancel', assignmentId, '--reason', 'a test');
  assert.equal(cancelled.json().state, 'ASSIGNMENT_STATE_ENDED', cancelled.notes);
  assert.equal((await iotdh('watch', assignmentId, '--exit-status')).code, 1);

  // The service has made itself new keys. Once a root names them a device follows, as the export proves.
  await writeFile(join(first.folder, 'sbom.cdx.json'), bill);
  const sticks = [join(folder, 'stale'), join(folder, 'fresh')] as const;
  const stale = await iotdh('pack', 'export', first.folder, '--to', sticks[0]);
  assert.equal(stale.code, 0, 'what the old keys signed is good until it ends');
  const next = await build(folder, patchYaml.replaceAll('8.10', '8.11'), { folder: join(folder, 'next') });
  const refused = await iotdh('pack', 'upload', next.folder);
  assert.match(refused.notes, /names other keys for snapshot or timestamp.*keys rotate --online/);
  const key = ['--key', join(keysFolder, 'root-1.pem'), ...root, '--yes'];
  const rotated = await iotdh('keys', 'rotate', join(folder, 'rotation'), ...key, '--online');
  assert.equal(rotated.code, 0, rotated.notes);
  assert.deepEqual([rotated.json().root, rotated.json().handedIn], [2, true]);
  assert.equal((await iotdh('pack', 'export', first.folder, '--to', sticks[1])).code, 0);
  assert.equal((await iotdh('pack', 'upload', next.folder)).json().state, 'PACK_STATE_PUBLISHED');
  const timestampKeys = await Promise.all(
    sticks.map(async (path) => {
      const { metadata } = JSON.parse(await readFile(join(path, 'bundle.json'), 'utf8'));
      const { digest } = metadata.find(({ role }: { role: string }) => role === 'METADATA_ROLE_TIMESTAMP');
      const name = Buffer.from(digest, 'base64').toString('hex');
      return JSON.parse(await readFile(join(path, 'metadata', name), 'utf8')).signatures[0].keyid as string;
    }),
  );
  assert.notEqual(timestampKeys[0], timestampKeys[1]);

  const owners = Object.values(parts).map(({ pid }) => ({ pid, began: '' }));
  assert.ok(owners.every(isAlive));
  await environment.stop();
  assert.ok(!owners.some(isAlive));
});
