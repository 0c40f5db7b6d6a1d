import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { type Command, readCommand, redacted, type Settings } from './settings.ts';

function settings(args: string[], environment: NodeJS.ProcessEnv = {}): Settings {
  const command = readCommand(args, environment);
  assert.equal(command.kind, 'run', JSON.stringify(command));
  return (command as Extract<Command, { kind: 'run' }>).settings;
}

function problem(args: string[], environment: NodeJS.ProcessEnv = {}): string {
  const command = readCommand(args, environment);
  assert.equal(command.kind, 'invalid');
  return (command as Extract<Command, { kind: 'invalid' }>).problem;
}

test('without arguments everything has a default, and nothing can be changed afterwards', () => {
  const defaults = settings([]);
  assert.deepEqual(defaults, {
    dataDir: resolve('.local-hub'),
    ports: [18_443],
    amqpPort: 5_672,
    address: 'localhost',
    hostNames: [],
    sku: 'S1',
    units: 1,
    partitions: undefined,
    consumerGroups: [],
    storage: undefined,
    inMemory: false,
    devices: [],
    json: false,
  });
  assert.ok(Object.isFrozen(defaults) && Object.isFrozen(defaults.ports));
});

test('every option is understood, and some may be repeated', () => {
  const line =
    '--data-dir /d --port 1 --port 2 --amqp-port off --address 0.0.0.0 --host-name a.test --host-name b.test --sku s3 ' +
    '--units 5 --partitions 8 --consumer-group x --storage azurite --in-memory --device d1 --device d2 --json';
  assert.deepEqual(settings(line.split(' ')), {
    dataDir: '/d',
    ports: [1, 2],
    amqpPort: 'off',
    address: '0.0.0.0',
    hostNames: ['a.test', 'b.test'],
    sku: 'S3',
    units: 5,
    partitions: 8,
    consumerGroups: ['x'],
    storage: { azuritePort: 10_000 },
    inMemory: true,
    devices: ['d1', 'd2'],
    json: true,
  });
});

test('the environment sets what the arguments do not', () => {
  const environment = {
    IOTDH_LOCAL_HUB_PORT: '7,8',
    IOTDH_LOCAL_HUB_SKU: 'off',
    IOTDH_LOCAL_HUB_JSON: 'true',
  };
  const { ports, sku, json } = settings(['--sku', 'S2'], environment);
  assert.deepEqual([ports, sku, json], [[7, 8], 'S2', true]);
});

test('what makes no sense is refused with the name of the option', () => {
  assert.match(problem(['--port', '70000']), /^--port must be a whole number from 0 to 65535, not "70000"$/);
  assert.match(problem(['--units', '1.5']), /^--units /);
  assert.match(problem(['--partitions', '33']), /^--partitions /);
  assert.match(problem(['--sku', 'S4']), /one of S1, S2, S3, F1, off/);
  assert.match(problem(['--host-name', 'a b']), /^--host-name /);
  assert.equal(problem(['--nonsense']), "Unknown option '--nonsense'");
  assert.match(problem(['start']), /no command "start"/);
  assert.match(problem(['certificate']), /needs one device id/);
  assert.match(problem([], { IOTDH_LOCAL_HUB_AMQP_PORT: 'x' }), /^--amqp-port /);
});

test('a wrong storage connection string is refused without showing it', () => {
  const said = problem(['--storage', 'AccountName=a;Secret=verysecret']);
  assert.match(said, /^--storage must be azurite/);
  assert.doesNotMatch(said, /verysecret/);
});

test('settings are printed without the key of the storage account', () => {
  const storage =
    'DefaultEndpointsProtocol=https;AccountName=a;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net';
  const line = redacted(settings(['--storage', storage, '--device', 'd1']));
  assert.match(line, /storage DefaultEndpointsProtocol=https;AccountName=a;AccountKey=…;/);
  assert.doesNotMatch(line, /c2VjcmV0/);
  assert.match(redacted(settings(['--storage', 'azurite:1234'])), /storage azurite:1234/);
});

test('certificate, help and version are commands of their own', () => {
  assert.deepEqual(readCommand(['certificate', 'd1', '--data-dir', '/d', '--out', '/o'], {}), {
    kind: 'certificate',
    request: { dataDir: '/d', deviceId: 'd1', outDir: '/o' },
  });
  assert.equal(readCommand(['-h'], {}).kind, 'help');
  assert.equal(readCommand(['--version'], {}).kind, 'version');
});
