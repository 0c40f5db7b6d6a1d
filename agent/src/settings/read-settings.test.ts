import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SettingsError } from './fields.ts';
import { printSettings } from './print-settings.ts';
import { readRequest, settingsFrom } from './read-settings.ts';

const credentials = { connectionStringFile: '/etc/iotdh-agent/connection-string' };

test('what nobody said is as on an ordinary Linux machine, and nothing can be changed afterwards', () => {
  const settings = settingsFrom({ credentials });
  assert.equal(settings.dataDir, '/var/lib/iotdh-agent');
  assert.deepEqual(settings.api.socket, { path: '/run/iotdh-agent/agent.sock', mode: 0o600 });
  assert.equal(settings.api.loopback, null);
  assert.equal(settings.telemetryIntervalMs, 60_000);
  assert.ok(Object.isFrozen(settings) && Object.isFrozen(settings.api.socket));
});

test('the environment wins over the file, and an argument over both', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-settings-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'config.json');
  writeFileSync(file, JSON.stringify({ credentials, dataDir: '/one', model: 'A' }));
  const environment = { IOTDH_AGENT_CONFIG: file, IOTDH_AGENT_DATA_DIR: '/two', IOTDH_AGENT_MODEL: 'B' };
  const request = readRequest(['--data-dir', '/three'], environment);
  assert.ok(request.kind === 'run');
  assert.equal(request.settings.dataDir, '/three');
  assert.equal(request.settings.model, 'B');
});

test('settings that will not do are refused with the field, and never with its value', () => {
  for (const [config, message] of [
    [{}, /credentials must have either/],
    [{ credentials, api: { socket: { mode: '0777' } } }, /api.socket.mode must be 0600 or 0660/],
    [{ credentials, api: { socket: { path: 'off' } } }, /must have a socket or loopback/],
    [{ credentials, roots: { app: { path: 'relative' } } }, /roots.app.path must be an absolute path/],
    [{ credentials, roots: { 'Not a name': { path: '/x' } } }, /is not a name that a manifest can use/],
    [{ credentials, telemetryIntervalMs: 'often' }, /telemetryIntervalMs must be a whole number/],
    [{ credentials, tlemetryIntervalMs: 1000 }, /tlemetryIntervalMs is not a setting/],
    [{ credentials: { connectionString: 'HostName=secret' } }, /^(?!.*HostName).*$/],
    [{ credentials: { enrolment: { brokerUrl: 'http://b', tokenFile: '/t' } } }, /https:/],
  ] as const) {
    assert.throws(
      () => settingsFrom(config),
      (error) => error instanceof SettingsError && message.test(error.message),
      JSON.stringify(config),
    );
  }
});

test('slots are image files or systemd-boot’s entries, and each partition says where it is in both', () => {
  const files = { folder: '/slots' };
  const sizes = [{ name: 'system', role: 'boot', bytes: 1024 }];
  assert.deepEqual(settingsFrom({ credentials, slots: files, partitions: sizes }).slots, {
    kind: 'file-images',
    folder: '/slots',
  });
  const hostService = { socket: '/s', caFile: '/ca', certFile: '/crt', keyFile: '/key' };
  const entry = (slot: string) => ({ linux: `/iotdh/${slot}/linux`, options: 'root=PARTUUID=1 ro' });
  const slots = { kind: 'systemd-boot', entries: { a: entry('a'), b: entry('b') } };
  const partitions = [
    { name: 'system', role: 'boot', a: '/dev/disk/by-partuuid/1', b: '/dev/disk/by-partuuid/2' },
    { name: 'kernel', role: 'boot', a: '/boot/efi/a', b: '/boot/efi/b', bytes: 1024 },
  ];
  const settings = settingsFrom({ credentials, slots, partitions });
  assert.ok(settings.slots?.kind === 'systemd-boot');
  assert.equal(settings.slots.espFolder, '/boot/efi');
  assert.deepEqual(
    settings.partitions.map(({ bytes }) => bytes),
    [null, 1024],
  );
  for (const [config, message] of [
    [{ slots, partitions: sizes }, /partitions\[0\] must say where it is in each slot/],
    [{ slots: files, partitions }, /partitions\[0\] must have bytes/],
    [{ slots, partitions: [{ name: 'system', a: '/dev/sda2' }] }, /both a and b, or neither/],
    [{ slots, partitions: [partitions[0], partitions[0]] }, /partitions\[1\] has the name system of another/],
    [{ slots: { ...slots, entries: { a: entry('a') } } }, /slots.entries.b must say/],
    [
      { slots: { ...slots, entries: { ...slots.entries, b: { ...entry('b'), options: 'ro\nlinux /x' } } } },
      /slots.entries.b must have a title, linux, initrd and options of one line each/,
    ],
    [{ slots: { kind: 'grub' } }, /slots.kind must be one of file-images, systemd-boot, windows/],
    [{ slots: { kind: 'windows' }, partitions: [partitions[0]] }, /partitions\[0\].a must be a GPT GUID/],
    [{ slots: { kind: 'host-service' } }, /slots.kind must be host-service if there is a hostService/],
    [{ slots: { kind: 'host-service' }, partitions: sizes }, /partitions are the host service’s/],
    [{ slots: files, partitions: sizes, hostService }, /slots.kind must be host-service if/],
    [{ slots: { kind: 'windows' } }, /slots.system must be the name of one of the partitions/],
  ] as const) {
    assert.throws(
      () => settingsFrom({ credentials, ...config }),
      (error) => error instanceof SettingsError && message.test(error.message),
      JSON.stringify(config),
    );
  }
});

test('what is printed names the files of secrets, and hides a password in an address', () => {
  const brokerUrl = 'https://user:hunter2@broker.example';
  const settings = settingsFrom({ credentials: { enrolment: { brokerUrl, tokenFile: '/t' } } });
  assert.doesNotMatch(printSettings(settings), /hunter2/);
  assert.match(printSettings(settings), /"mode": "0600"/);
});

test('a wrong argument and a file that is not there are answers, not crashes', () => {
  assert.deepEqual(readRequest(['--nonsense'], {}), {
    kind: 'invalid',
    problem: "Unknown option '--nonsense'",
  });
  assert.equal(readRequest(['--config', '/nowhere.json'], {}).kind, 'invalid');
  assert.equal(readRequest(['--help'], {}).kind, 'help');
});
