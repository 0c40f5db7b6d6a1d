/**
 * `node victim.ts FOLDER FAIL-POINT [packages|slots]`: a host service in a process of its own that dies by SIGKILL at the fail
 * point, or as soon as its slots are looked at; `none`: never.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Apt } from '../../install/ports.ts';
import type { Slots } from '../../slots/slots.ts';
import { openCallJournal } from '../call-journal.ts';
import { createHostServer } from '../server.ts';

const [, , folder = '', dieAt = '', offers = ''] = process.argv;
const at = (name: string) => join(folder, name);
const read = (name: string) => readFileSync(at(`keys/${name}`), 'utf8');
const acted = (what: string) => appendFileSync(at('acted'), `${what}\n`);
const apt: Apt = {
  versionOf: () => Promise.resolve(null),
  simulate: () => Promise.resolve({ kind: 'simulated', before: [] }),
  install([one]) {
    acted(`${one?.name}=${one?.version}`);
    return Promise.resolve({ kind: 'done', output: 'installed' });
  },
};
const slots = { inspect: async () => process.kill(process.pid, 'SIGKILL') } as unknown as Slots;
const server = createHostServer({
  operations: {
    restartService(name) {
      acted(name);
      const failed = {
        kind: 'failed',
        reason: 'the unit failed',
        exitCode: 3,
        output: 'no such unit',
      } as const;
      return Promise.resolve(name === 'broken' ? failed : { kind: 'done', output: `${name} runs` });
    },
    restartMachine() {
      acted('the machine');
      return Promise.resolve({ kind: 'done' });
    },
    ...(offers === 'packages' && { apt }),
    ...(offers === 'slots' && { slots }),
    bootId: () => Promise.resolve('boot-1'),
    uptimeMs: () => Promise.resolve(1000),
    onMainsPower: () => Promise.resolve(true),
  },
  services: ['carto', 'broken'],
  imageFolder: null,
  journal: openCallJournal(at('calls.db')),
  now: Date.now,
  socket: { path: at('host.sock'), mode: 0o600 },
  tls: { cert: read('host.crt'), key: read('host.key'), agentCert: read('agent.crt') },
  onFailPoint: (name) => name === dieAt && process.kill(process.pid, 'SIGKILL'),
});
await server.start();
console.log('listening');
process.on('SIGTERM', () => void server.stop().then(() => process.exit()));
