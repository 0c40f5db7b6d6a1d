/** The recipes of the README, run as they stand there: what somebody copies works. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { createLocalHub } from './local-hub.ts';
import { readCommand } from './settings.ts';

const run = promisify(execFile);
const packageDir = join(import.meta.dirname, '..');
const readme = await readFile(join(packageDir, 'README.md'), 'utf8');

/** The code blocks of a language, by the heading above them. */
function blocks(language: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const section of readme.split(/^#+ /m)) {
    const heading = section.split('\n', 1)[0] ?? '';
    for (const [, code = ''] of section.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))) {
      found.set(heading, code);
    }
  }
  return found;
}

/** A folder in which packages are found as after `npm install`. */
async function project(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'local-hub-readme-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await symlink(join(packageDir, '..', 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

test('every recipe runs against a hub, in the order of the README', async (t) => {
  const hub = await createLocalHub({ sku: 'off' });
  t.after(() => hub.stop());
  const folder = await project(t);
  const key = Buffer.alloc(32, 1).toString('base64');
  const attestation = { type: 'symmetricKey', symmetricKey: { primaryKey: key, secondaryKey: key } };
  await hub.provisioning.individuals.put('device-4', { registrationId: 'device-4', attestation });
  const recipes = blocks('js');
  recipes.delete('In tests');
  assert.equal(recipes.size, 6, [...recipes.keys()].join());
  const imports: string[] = [];
  for (const [heading, code] of recipes) {
    const name = `${imports.length}.mjs`;
    await writeFile(join(folder, name), code);
    imports.push(`console.log(${JSON.stringify(heading)}); await import('./${name}');`);
  }
  await writeFile(join(folder, 'all.mjs'), `${imports.join('\n')}\nprocess.exit();`);
  const environment = {
    NODE_EXTRA_CA_CERTS: hub.caPath,
    DEVICE_CONNECTION_STRING: await hub.deviceConnectionString('device-1'),
    SERVICE_CONNECTION_STRING: hub.connectionString(),
    EVENT_HUB_CONNECTION_STRING: hub.eventHubConnectionString(),
    HUB_PORT: String(hub.port),
    HUB_HOST_NAME: hub.hostName,
    ID_SCOPE: hub.provisioning.scopeId,
    ENROLLMENT_KEY: key,
  };
  const env = { ...process.env, ...environment };
  const { stdout } = await run(process.execPath, ['all.mjs'], { cwd: folder, env, timeout: 60_000 });
  assert.match(stdout, /device-1 hello/);
  assert.match(stdout, /\[ \{ deviceId: 'device-3' \} \]/);
  assert.match(stdout, /404103/);
  assert.match(stdout, new RegExp(`HostName=${hub.hostName};DeviceId=device-4;`));
  assert.equal(hub.engine.cloudToDevice.pending('device-1'), 1);
});

test('the test in the README passes', async (t) => {
  const folder = await project(t);
  await writeFile(join(folder, 'a.test.mjs'), blocks('js').get('In tests') ?? '');
  const env = { ...process.env };
  // Otherwise the runner takes itself for part of this one, and says nothing.
  delete env.NODE_TEST_CONTEXT;
  const { stdout } = await run(process.execPath, ['--test', 'a.test.mjs'], {
    cwd: folder,
    env,
    timeout: 60_000,
  });
  assert.match(stdout, /pass 1/);
});

test('the faults of the README are accepted, and its options exist', async (t) => {
  const hub = await createLocalHub();
  t.after(() => hub.stop());
  const faults = [...readme.matchAll(/-d '(\{"kind".*?\})'/g)].map(
    ([, json = '']) => JSON.parse(json) as object,
  );
  assert.equal(faults.length, 7);
  for (const fault of faults)
    hub.faults.inject({ ...fault, ...('delayMs' in fault && { delayMs: 600_000 }) });
  for (const [, line = ''] of readme.matchAll(/npx iotdh-local-hub(.*)/g)) {
    const args = line
      .replace(/\s{2,}#.*/, '')
      .split(' ')
      .filter((word) => word !== '');
    assert.notEqual(readCommand(args, {}).kind, 'invalid', line);
  }
});
