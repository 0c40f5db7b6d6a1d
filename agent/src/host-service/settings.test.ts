import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { BlockDevices } from '../slots/block-devices.ts';
import { createDevicePartitions } from '../slots/device-partitions.ts';
import { SlotsError } from '../slots/slots-error.ts';
import { type HostSettings, keptFoldersOf, readHostSettings } from './settings.ts';

function settingsOf(t: TestContext, config: object): HostSettings {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-host-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'config.json');
  writeFileSync(path, JSON.stringify(config));
  return readHostSettings(path);
}

/** A machine whose slots hold `/`, and whose `/var` is a partition of its own. */
const devices: BlockDevices = {
  numberOf: (path) => ({ '/dev/a': '8:1', '/dev/b': '8:2' })[path] ?? '8:9',
  bytes: () => 1000,
  under: (folder) => [folder.startsWith('/var/') ? '8:3' : '8:1'],
};
const system = { name: 'system', places: { a: '/dev/a', b: '/dev/b' }, fileBytes: null };
const start = (settings: HostSettings) =>
  createDevicePartitions({ partitions: [system], devices, keptFolders: keptFoldersOf(settings) });

test('keys that a base would overwrite are refused at the start, and by default they lie with the state', (t) => {
  const usual = settingsOf(t, { imageFolder: '/var/lib/iotdh-agent' });
  assert.equal(usual.keyFolder, '/var/lib/iotdh-host-service/keys');
  assert.ok(start(usual));
  assert.equal(settingsOf(t, { stateFolder: '/var/host' }).keyFolder, '/var/host/keys');
  const onSlot = settingsOf(t, { keyFolder: '/etc/iotdh-host-service/keys' });
  assert.throws(
    () => start(onSlot),
    (error) =>
      error instanceof SlotsError &&
      /\/dev\/a of system holds \/etc\/iotdh-host-service\/keys, which a base would/.test(error.message),
  );
});

test('images that a base would overwrite are refused at the start', (t) => {
  assert.throws(
    () => start(settingsOf(t, { imageFolder: '/srv/agent' })),
    /holds \/srv\/agent, which a base/,
  );
});
