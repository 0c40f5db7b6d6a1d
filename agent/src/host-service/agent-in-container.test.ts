import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { UpdateOutcome } from '@iotdh/proto/bus/v1';
import { addPackages } from '../testing/pack.ts';
import { createWorkstation } from '../testing/workstation.ts';
import { makeKeyFiles } from './key-files.ts';

const program = fileURLToPath(new URL('../../bin/iotdh-host-service.js', import.meta.url));
const fakes = fileURLToPath(new URL('../install/apt/testing', import.meta.url));

/** The host beside a workstation's agent: its apt and the service `carto` wait, once begun, until the test lets them go on. */
function prepareHost(folder: string, keys: string): Record<string, unknown> {
  const at = (name: string) => join(folder, name);
  const waits = (name: string) =>
    `echo begun >>${at(`${name}-begun`)}\nwhile [ ! -e ${at(`${name}-goes-on`)} ]; do sleep 0.05; done\n`;
  cpSync(fakes, at('programs'), { recursive: true });
  renameSync(at('programs/apt-get'), at('programs/real-apt-get'));
  const installs = 'case "$*" in *" -s "*|update*) ;; *)';
  const aptGet = `#!/bin/sh\n${installs}\n${waits('apt')};; esac\nexec ${at('programs/real-apt-get')} "$@"\n`;
  writeFileSync(at('programs/apt-get'), aptGet);
  writeFileSync(at('carto'), `#!/bin/sh\n${waits('carto')}`);
  for (const name of ['programs/apt-get', 'carto']) chmodSync(at(name), 0o755);
  mkdirSync(at('packages'));
  writeFileSync(at('packages/clamav'), '1.4.0');
  const host = {
    ...{ socket: { path: at('host.sock') }, keyFolder: keys, stateFolder: at('host-state') },
    ...{ packages: 'allowed', serviceCommands: { carto: [at('carto')] } },
    programPath: `${at('programs')}:/usr/bin:/bin`,
  };
  writeFileSync(at('host.json'), JSON.stringify(host));
  const key = (name: string) => join(keys, name);
  const files = { caFile: key('host.crt'), certFile: key('agent.crt'), keyFile: key('agent.key') };
  return { hostService: { socket: at('host.sock'), ...files } };
}

function hostServiceIn(t: TestContext, config: () => string) {
  let child: ChildProcess | null = null;
  async function kill(): Promise<void> {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const over = once(child, 'exit');
    child.kill('SIGKILL');
    await over;
  }
  t.after(kill);
  return {
    kill,
    async start(): Promise<void> {
      child = spawn(process.execPath, [program, '--config', config()], {
        stdio: ['ignore', 'inherit', 'pipe'],
      });
      let output = '';
      for await (const text of child.stderr ?? []) {
        output += String(text);
        if (output.includes('listens')) break;
      }
      assert.match(output, /listens/);
    },
  };
}

test('an agent in a container has its host install and restart, once each, though the service and the agent are killed meanwhile', {
  timeout: 90_000,
}, async (t) => {
  const keys = mkdtempSync(join(tmpdir(), 'iotdh-keys-'));
  t.after(() => rmSync(keys, { recursive: true }));
  await makeKeyFiles(join(keys, 'keys'), Date.now());
  const station = await createWorkstation(t, (folder) => prepareHost(folder, join(keys, 'keys')));
  const { client, cloud, made, make } = station;
  const at = (name: string) => join(station.folder, name);
  const host = hostServiceIn(t, () => at('host.json'));
  await host.start();

  const pack = addPackages(station.blobs, { version: '1.4.1', service: 'carto' });
  await client.ready();
  await cloud.offer(pack);
  await station.reached('WAIT_CONFIRM_PATCH');
  await station.confirm();

  await made('apt-begun');
  await host.kill();
  make('apt-goes-on');
  await host.start();

  await made('carto-begun');
  await station.kill();
  make('carto-goes-on');
  await station.start();

  const result = await cloud.said('updateResult');
  const { outcome, steps } = result.payload.value;
  const details = steps.map(({ subject, detail }) => `${subject}: ${detail}`);
  assert.equal(outcome, UpdateOutcome.APPLIED, details.join('\n'));
  assert.equal(readFileSync(at('packages/clamav'), 'utf8').trim(), '1.4.1');
  assert.equal(readFileSync(at('carto-begun'), 'utf8'), 'begun\n');
});
