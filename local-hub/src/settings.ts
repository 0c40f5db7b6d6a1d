/** What the command line and the environment say, checked once. Nothing here reads the environment by itself. */
import { resolve } from 'node:path';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { parseStorageConnection } from './engine/blob-storage.ts';
import type { Sku } from './engine/throttles.ts';

export type Settings = {
  dataDir: string;
  ports: readonly number[];
  amqpPort: number | 'off';
  address: string;
  hostNames: readonly string[];
  sku: Sku | 'off';
  units: number;
  partitions: number | undefined;
  consumerGroups: readonly string[];
  /** A connection string, Azurite and its port, or undefined. */
  storage: { azuritePort: number } | { connectionString: string } | undefined;
  inMemory: boolean;
  /** Devices to register at start. */
  devices: readonly string[];
  json: boolean;
};

export type CertificateRequest = { dataDir: string; deviceId: string; outDir: string };

/** What the person asked for. */
export type Command =
  | { kind: 'run'; settings: Readonly<Settings> }
  | { kind: 'certificate'; request: CertificateRequest }
  | { kind: 'help' }
  | { kind: 'version' }
  | { kind: 'invalid'; problem: string };

/** Each option can also come from the environment: --data-dir as IOTDH_LOCAL_HUB_DATA_DIR, several values with commas. */
const options = {
  'data-dir': { type: 'string' },
  port: { type: 'string', multiple: true },
  'amqp-port': { type: 'string' },
  address: { type: 'string' },
  'host-name': { type: 'string', multiple: true },
  sku: { type: 'string' },
  units: { type: 'string' },
  partitions: { type: 'string' },
  'consumer-group': { type: 'string', multiple: true },
  storage: { type: 'string' },
  'in-memory': { type: 'boolean' },
  device: { type: 'string', multiple: true },
  out: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const satisfies ParseArgsConfig['options'];

export const defaultPort = 18_443;
export const defaultAmqpPort = 5_672;
export const defaultAzuritePort = 10_000;
const environmentPrefix = 'IOTDH_LOCAL_HUB_';
const skus = ['S1', 'S2', 'S3', 'F1', 'off'] as const;

class Invalid extends Error {}

type Values = Partial<Record<keyof typeof options, string | boolean | (string | boolean)[]>>;

function fromEnvironment(environment: NodeJS.ProcessEnv): Values {
  const values: Values = {};
  for (const [name, option] of Object.entries(options)) {
    const text = environment[environmentPrefix + name.toUpperCase().replaceAll('-', '_')];
    if (text === undefined || text === '') continue;
    if (option.type === 'boolean')
      values[name as keyof Values] = text === '1' || text.toLowerCase() === 'true';
    else
      values[name as keyof Values] = 'multiple' in option ? text.split(',').map((part) => part.trim()) : text;
  }
  return values;
}

function number(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new Invalid(`--${name} must be a whole number from ${min} to ${max}, not "${text}"`);
}

const port = (name: string, text: string): number => number(name, text, 0, 65_535);

function oneOf<T extends string>(name: string, text: string, choices: readonly T[]): T {
  const choice = choices.find((each) => each.toLowerCase() === text.toLowerCase());
  if (choice !== undefined) return choice;
  throw new Invalid(`--${name} must be one of ${choices.join(', ')}, not "${text}"`);
}

function storageOf(text: string | undefined): Settings['storage'] {
  if (text === undefined || text === 'none') return undefined;
  const azurite = /^azurite(?::(\d+))?$/.exec(text);
  if (azurite) return { azuritePort: port('storage azurite', azurite[1] ?? String(defaultAzuritePort)) };
  try {
    parseStorageConnection(text);
  } catch (error) {
    // The message names what is wrong without showing the text, which may hold a key.
    const problem = error instanceof Error ? error.message : String(error);
    throw new Invalid(`--storage must be azurite, azurite:PORT, none, or a connection string. ${problem}`);
  }
  return { connectionString: text };
}

function settingsOf(values: Values): Settings {
  const text = (name: keyof Values): string | undefined => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  const list = (name: keyof Values): string[] => {
    const value = values[name];
    return Array.isArray(value) ? value.map(String).filter((each) => each !== '') : [];
  };
  const amqpPort = text('amqp-port') ?? String(defaultAmqpPort);
  const partitions = text('partitions');
  const ports = list('port').map((each) => port('port', each));
  return {
    dataDir: resolve(text('data-dir') ?? '.local-hub'),
    ports: ports.length > 0 ? ports : [defaultPort],
    amqpPort: amqpPort === 'off' ? 'off' : port('amqp-port', amqpPort),
    address: text('address') ?? 'localhost',
    hostNames: list('host-name').map(hostName),
    sku: oneOf('sku', text('sku') ?? 'S1', skus),
    units: number('units', text('units') ?? '1', 1, 200),
    partitions: partitions === undefined ? undefined : number('partitions', partitions, 1, 32),
    consumerGroups: list('consumer-group'),
    storage: storageOf(text('storage')),
    inMemory: values['in-memory'] === true,
    devices: list('device'),
    json: values.json === true,
  };
}

function hostName(text: string): string {
  if (/^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(text)) return text;
  throw new Invalid(`--host-name must be a DNS name or an IPv4 address without port, not "${text}"`);
}

function deepFreeze(settings: Settings): Readonly<Settings> {
  for (const value of Object.values(settings)) if (typeof value === 'object') Object.freeze(value);
  return Object.freeze(settings);
}

/** Reads the arguments after the program's name; they win over the environment. */
export function readCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Command {
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: true });
    const values: Values = { ...fromEnvironment(environment), ...parsed.values };
    if (values.help === true) return { kind: 'help' };
    if (values.version === true) return { kind: 'version' };
    const settings = settingsOf(values);
    const [command, deviceId, ...rest] = parsed.positionals;
    if (command === undefined) return { kind: 'run', settings: deepFreeze(settings) };
    if (command === 'certificate' && deviceId !== undefined && rest.length === 0) {
      const outDir = resolve(typeof values.out === 'string' ? values.out : '.');
      return { kind: 'certificate', request: { dataDir: settings.dataDir, deviceId, outDir } };
    }
    const problem =
      command === 'certificate' ? 'certificate needs one device id' : `there is no command "${command}"`;
    return { kind: 'invalid', problem };
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    if (error instanceof Invalid) return { kind: 'invalid', problem: message };
    // Without what parseArgs recommends behind it.
    if (code?.startsWith('ERR_PARSE_ARGS')) return { kind: 'invalid', problem: message.split(/\.\s/)[0]! };
    throw error;
  }
}

/** The settings on one line, without the storage account's key. */
export function redacted(settings: Settings): string {
  const storage =
    settings.storage === undefined
      ? 'none'
      : 'azuritePort' in settings.storage
        ? `azurite:${settings.storage.azuritePort}`
        : settings.storage.connectionString.replace(/(AccountKey|SharedAccessSignature)=[^;]*/gi, '$1=…');
  const shown = { ...settings, storage };
  return Object.entries(shown)
    .filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => `${name} ${Array.isArray(value) ? value.join(' ') : value}`)
    .join(', ');
}
