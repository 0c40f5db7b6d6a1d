/** The agent's connections to its backends: their settings on disk, secrets included, and whether they can be made. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openDocument } from '../durable/document.ts';
import { reach } from './reach.ts';

export type ConnectionTarget = 'iot' | 'windows-update' | 'log-collection';
export type ConnectionSettings = Readonly<Record<string, string>>;

export type Connections = {
  read(target: ConnectionTarget, name: string): Promise<ConnectionSettings | null>;
  write(target: ConnectionTarget, name: string, settings: ConnectionSettings | null): Promise<void>;
  probe(target: ConnectionTarget, name: string, signal: AbortSignal): Promise<boolean>;
  /** A secret that the site has put into the folder `secrets`. Throws when there is none of that name. */
  secret(name: string, signal: AbortSignal): Promise<string>;
};

export type ConnectionsOptions = {
  /** The data folder. */
  folder: string;
  /** The one connection to the hub has other settings now; null: those that the device was enrolled with. */
  onHubSettings: (settings: ConnectionSettings | null) => void;
  /** Resolves to whether the link to the hub opens before the signal aborts. */
  hubOpens: (signal: AbortSignal) => Promise<boolean>;
  onDamaged: (path: string) => void;
};

type Kept = Record<string, ConnectionSettings>;

const secretName = /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$/;
const maxSecretBytes = 4096;

export function openConnections(
  options: ConnectionsOptions,
): Connections & { hub(): ConnectionSettings | null } {
  const { folder, onHubSettings, hubOpens, onDamaged } = options;
  const document = openDocument<Kept>({
    path: join(folder, 'connections.json'),
    read: (parsed) => (typeof parsed === 'object' && parsed !== null ? (parsed as Kept) : null),
    initial: {},
    onDamaged,
  });
  const keyOf = (target: ConnectionTarget, name: string) => `${target}/${name}`;
  const isHub = (target: ConnectionTarget, name: string) => target === 'iot' && name === '';
  return {
    hub: () => document.value[keyOf('iot', '')] ?? null,
    read: async (target, name) => document.value[keyOf(target, name)] ?? null,
    async write(target, name, settings) {
      const { [keyOf(target, name)]: _, ...others } = document.value;
      document.write(settings === null ? others : { ...others, [keyOf(target, name)]: settings });
      if (isHub(target, name)) onHubSettings(settings);
    },
    async probe(target, name, signal) {
      if (isHub(target, name)) return hubOpens(signal);
      const settings = document.value[keyOf(target, name)];
      return settings !== undefined && (await reach(settings, signal));
    },
    async secret(name) {
      if (!secretName.test(name)) throw new Error('this is no name of a secret');
      const secret = readFileSync(join(folder, 'secrets', name), 'utf8').trim();
      if (Buffer.byteLength(secret) > maxSecretBytes) throw new Error(`the secret ${name} is too long`);
      return secret;
    },
  };
}
