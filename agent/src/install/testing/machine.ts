/** A pretend machine in one folder: roots, connections and a register on disk, and what was asked of its services. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInstaller, type InstallerOptions } from '../create-installer.ts';
import type { Connections, Host, Inventory, MachineFacts, Products } from '../ports.ts';
import { realClock } from './real-clock.ts';

export type PretendMachine = {
  folder: string;
  /** Holds the root 'app' and the root 'tool'. */
  roots: Record<string, { path: string }>;
  stateFolder: string;
  /** Where contents lie, by digest. */
  contentPath: (digestHex: string) => string;
  host: Host;
  connections: Connections;
  products: Products;
  /** Nothing but what the register has. */
  inventory: Inventory;
  facts: MachineFacts;
  /** What the services and the machine were asked to do, over all processes. */
  asked(): string[];
  /** Starts the machine anew: another boot. */
  boot(): void;
};

function readJson<T>(path: string, otherwise: T): T {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : otherwise;
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(`${path}.making`, JSON.stringify(value));
  renameSync(`${path}.making`, path);
}

/** Opens the machine in a folder; another process that opens it sees the same. A connection connects unless its host is 'nowhere'. */
export function openMachine(folder: string): PretendMachine {
  const at = (name: string) => join(folder, name);
  mkdirSync(at('roots'), { recursive: true });
  mkdirSync(at('contents'), { recursive: true });
  const ask = (what: string) => appendFileSync(at('asked'), `${what}\n`);
  const asked = () => (existsSync(at('asked')) ? readFileSync(at('asked'), 'utf8').trim().split('\n') : []);
  const nameOf = (target: string, name: string) => `${target}/${name}`;
  type Stored = Record<string, Record<string, string>>;

  return {
    folder,
    roots: { app: { path: at('roots/app') }, tool: { path: at('roots/tool') } },
    stateFolder: at('state'),
    contentPath: (digestHex) => at(`contents/${digestHex}`),
    host: {
      restartService(name) {
        ask(`restart ${name}`);
        return Promise.resolve(
          name === 'broken' ? { kind: 'failed', reason: 'the unit failed', exitCode: 1 } : { kind: 'done' },
        );
      },
      restartMachine() {
        ask('restart the machine');
        return Promise.resolve({ kind: 'done' });
      },
      bootId: () => Promise.resolve(String(readJson(at('boots'), 1))),
    },
    connections: {
      read: (target, name) =>
        Promise.resolve(readJson<Stored>(at('connections'), {})[nameOf(target, name)] ?? null),
      write(target, name, settings) {
        const { [nameOf(target, name)]: _, ...rest } = readJson<Stored>(at('connections'), {});
        writeJson(
          at('connections'),
          settings === null ? rest : { ...rest, [nameOf(target, name)]: settings },
        );
        return Promise.resolve();
      },
      probe(target, name) {
        const settings = readJson<Stored>(at('connections'), {})[nameOf(target, name)];
        return Promise.resolve(settings?.host !== undefined && settings.host !== 'nowhere');
      },
      secret: (name) =>
        name === 'unknown'
          ? Promise.reject(new Error('no such secret'))
          : Promise.resolve(`secret of ${name}`),
    },
    products: {
      versionOf: (product) =>
        Promise.resolve(readJson<Record<string, string>>(at('products'), {})[product] ?? null),
      set(product, version) {
        const { [product]: _, ...rest } = readJson<Record<string, string>>(at('products'), {});
        writeJson(at('products'), version === null ? rest : { ...rest, [product]: version });
        return Promise.resolve();
      },
    },
    inventory: {
      historyOf: (product) => [readJson<Record<string, string>>(at('products'), {})[product] ?? []].flat(),
    },
    facts: {
      operatingSystemProduct: () => ({ product: 'Debian GNU/Linux', version: '12' }),
      platform: () =>
        Promise.resolve({
          operatingSystem: 'linux',
          architecture: 'x64',
          operatingSystemVersion: 'debian-12',
          model: 'Velys 2',
        }),
      freeDisk: () => Promise.resolve({ fileSystem: '1', bytes: 10 ** 12 }),
      freeMemoryBytes: () => Promise.resolve(10 ** 9),
      onMainsPower: () => Promise.resolve(true),
    },
    asked,
    boot: () => writeJson(at('boots'), readJson(at('boots'), 1) + 1),
  };
}

/** An installer on that machine. */
export function installOn(machine: PretendMachine, changes: Partial<InstallerOptions> = {}) {
  return createInstaller({
    roots: machine.roots,
    stateFolder: machine.stateFolder,
    host: machine.host,
    connections: machine.connections,
    products: machine.products,
    inventory: machine.inventory,
    facts: machine.facts,
    updateServices: {},
    environment: { PATH: '/usr/bin:/bin', MACHINE: machine.folder, UNNAMED: 'never passed on' },
    redact: (text) => text.replaceAll('hunter2', '[redacted]'),
    clock: realClock,
    ...changes,
  });
}

/** Removes what is asked of the machine so far. */
export function forgetAsked(machine: PretendMachine): void {
  rmSync(join(machine.folder, 'asked'), { force: true });
}
