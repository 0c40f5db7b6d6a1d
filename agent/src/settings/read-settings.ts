/** Command line, environment and configuration file become settings: defaults, then the file, then the environment, then arguments. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Route, routes } from '../bus/bus.ts';
import { type Level, levels } from '../log/log.ts';
import { absolute, type Fields, fieldsOf, SettingsError } from './fields.ts';
import { demandPlaces, gibibyte, partitionFrom, slotsFrom } from './read-slots.ts';
import type { CredentialSettings, Settings } from './settings.ts';

/** What the command line asks for. */
export type Request =
  | { kind: 'run' | 'print_settings'; settings: Settings }
  | { kind: 'import'; path: string; settings: Settings }
  | { kind: 'help' | 'version' }
  | { kind: 'invalid'; problem: string };

type Environment = Readonly<Record<string, string | undefined>>;

export const kernelBootId = '/proc/sys/kernel/random/boot_id';
const defaultConfig = '/etc/iotdh-agent/config.json';
/** A configuration is a page of text. */
const maxConfigBytes = 1024 * 1024;
const dayMs = 86_400_000;
const rootName = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;

/** Never throws: what is wrong becomes `invalid`. */
export function readRequest(args: readonly string[], environment: Environment): Request {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        'data-dir': { type: 'string' },
        'print-settings': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean' },
      },
    });
    if (values.help) return { kind: 'help' };
    if (values.version) return { kind: 'version' };
    const named = values.config ?? environment.IOTDH_AGENT_CONFIG;
    const path = named ?? (existsSync(defaultConfig) ? defaultConfig : null);
    const variables = { ...environment };
    if (values['data-dir'] !== undefined) variables.IOTDH_AGENT_DATA_DIR = values['data-dir'];
    const settings = settingsFrom(path === null ? {} : readConfig(path), variables);
    const [command, folder, ...more] = positionals;
    if (command === 'import' && folder !== undefined && more.length === 0)
      return { kind: 'import', path: folder, settings };
    if (command !== undefined) {
      const problem =
        command === 'import' ? 'import needs the path of one bundle' : `${command} is no command`;
      return { kind: 'invalid', problem };
    }
    return { kind: values['print-settings'] ? 'print_settings' : 'run', settings };
  } catch (error) {
    return { kind: 'invalid', problem: problemOf(error) };
  }
}

/** What is wrong with the command line or the settings; without what parseArgs recommends behind it. */
export function problemOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return isMistake(error) ? text.split(/\.\s/)[0]! : text;
}

/** Whether parseArgs refused the command line. */
export const isMistake = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');

function readConfig(path: string): unknown {
  const bytes = readFileSync(path);
  if (bytes.length > maxConfigBytes) throw new SettingsError(`${path} is no configuration: it is too long`);
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    // What the parser says quotes the text.
    throw new SettingsError(`${path} is not JSON`);
  }
}

/** The settings of a parsed configuration. Throws a SettingsError that says what is wrong with which field. */
export function settingsFrom(config: unknown, environment: Environment = {}): Settings {
  const top = fieldsOf(config, '');
  const variable = (name: string) => environment[`IOTDH_AGENT_${name}`] || undefined;
  const dataDir = resolve(over(variable('DATA_DIR'), top.text('dataDir', '/var/lib/iotdh-agent')));
  const hub = top.object('hub') ?? fieldsOf({}, 'hub');
  const blobs = top.object('blobs') ?? fieldsOf({}, 'blobs');
  const trust = top.object('trust') ?? fieldsOf({}, 'trust');
  const api = top.object('api') ?? fieldsOf({}, 'api');
  const settings: Settings = {
    dataDir,
    model: over(variable('MODEL'), top.text('model', '')),
    credentials: credentialsFrom(top.object('credentials'), variable),
    trust: { rootFile: over(variable('TRUST_ROOT_FILE'), trust.textOrNull('rootFile')) },
    hub: {
      caFile: over(variable('HUB_CA_FILE'), hub.textOrNull('caFile')),
      routes: hub.texts('routes', routes).map(routeOf),
    },
    blobs: { caFile: over(variable('BLOB_CA_FILE'), blobs.textOrNull('caFile')) },
    api: {
      socket: socketFrom(api, variable),
      loopback: loopbackFrom(api, variable, dataDir),
      maxPostponeMs: api.integer('maxPostponeMs', 7 * dayMs, { min: 60_000, max: 90 * dayMs }),
    },
    roots: rootsFrom(top.object('roots')),
    slots: slotsFrom(top.object('slots')),
    partitions: top
      .objects('partitions')
      .map((fields, index) => partitionFrom(fields, `partitions[${index}]`)),
    hostService: hostServiceFrom(top.object('hostService')),
    serviceCommands: Object.fromEntries(top.object('serviceCommands')?.lists() ?? []),
    restartCommand: top.texts('restartCommand', ['systemctl', 'reboot']),
    bootIdFile: top.text('bootIdFile', kernelBootId),
    telemetryIntervalMs: top.integer('telemetryIntervalMs', 60_000, { min: 1000, max: dayMs }),
    minLogLevel: over(levelFrom(variable('MIN_LOG_LEVEL')), top.oneOf('minLogLevel', levels, 'info')),
    keptLogBytes: top.integer('keptLogBytes', 32 * 1024 * 1024, { min: 65_536, max: 4 * gibibyte }),
    reservedDiskBytes: top.integer('reservedDiskBytes', 64 * 1024 * 1024, { min: 0, max: 1024 * gibibyte }),
  };
  for (const fields of [top, trust, hub, blobs, api]) fields.end();
  demandPlaces(settings);
  if (
    (settings.slots?.kind === 'host-service') !== (settings.hostService !== null) &&
    settings.slots !== null
  ) {
    throw new SettingsError('slots.kind must be host-service if there is a hostService, and only then');
  }
  if (settings.api.socket === null && settings.api.loopback === null) {
    throw new SettingsError(
      'api must have a socket or loopback, or nobody can say that the machine is ready',
    );
  }
  return deepFreeze(settings);
}

/** What the environment says wins; the file's field was read in either case, so that it is a known one. */
const over = <T>(fromEnvironment: T | undefined, fromFile: T): T => fromEnvironment ?? fromFile;

type Variable = (name: string) => string | undefined;

function credentialsFrom(fields: Fields | null, variable: Variable): CredentialSettings {
  const file = over(variable('CONNECTION_STRING_FILE'), fields?.textOrNull('connectionStringFile') ?? null);
  const enrolment = fields?.object('enrolment') ?? null;
  const brokerUrl = over(variable('BROKER_URL'), enrolment?.textOrNull('brokerUrl') ?? null);
  const tokenFile = over(variable('ENROLMENT_TOKEN_FILE'), enrolment?.textOrNull('tokenFile') ?? null);
  const caFile = over(variable('BROKER_CA_FILE'), enrolment?.textOrNull('caFile') ?? null);
  fields?.end();
  enrolment?.end();
  if (file !== null && brokerUrl === null) {
    return { kind: 'connection_string', file: absolute(file, 'credentials.connectionStringFile') };
  }
  if (file === null && brokerUrl !== null && tokenFile !== null) {
    if (!brokerUrl.startsWith('https://')) {
      throw new SettingsError('credentials.enrolment.brokerUrl must begin with https://');
    }
    const path = absolute(tokenFile, 'credentials.enrolment.tokenFile');
    return { kind: 'enrolment', brokerUrl, tokenFile: path, caFile };
  }
  throw new SettingsError(
    'credentials must have either a connectionStringFile, or enrolment with brokerUrl and tokenFile',
  );
}

function socketFrom(api: Fields, variable: Variable): Settings['api']['socket'] {
  const socket = api.object('socket') ?? fieldsOf({}, 'api.socket');
  const path = over(variable('SOCKET'), socket.text('path', '/run/iotdh-agent/agent.sock'));
  const mode = over(variable('SOCKET_MODE'), socket.text('mode', '0600'));
  socket.end();
  if (path === 'off') return null;
  if (mode !== '0600' && mode !== '0660') throw new SettingsError('api.socket.mode must be 0600 or 0660');
  return { path, mode: mode === '0600' ? 0o600 : 0o660 };
}

function loopbackFrom(api: Fields, variable: Variable, dataDir: string): Settings['api']['loopback'] {
  const loopback = api.object('loopback');
  const given = variable('LOOPBACK_PORT');
  if (loopback === null && given === undefined) return null;
  const fields = loopback ?? fieldsOf({}, 'api.loopback');
  const port = fields.integer('port', 7411, { min: 0, max: 65_535 });
  const fromVariable = given === undefined ? port : Number(given);
  if (!Number.isInteger(fromVariable) || fromVariable < 0 || fromVariable > 65_535) {
    throw new SettingsError('IOTDH_AGENT_LOOPBACK_PORT must be a port');
  }
  const tokenFile = over(variable('TOKEN_FILE'), fields.text('tokenFile', join(dataDir, 'api-token')));
  const allowedOrigins = fields.texts('allowedOrigins', []);
  fields.end();
  return { port: fromVariable, tokenFile, allowedOrigins };
}

function hostServiceFrom(fields: Fields | null): Settings['hostService'] {
  if (fields === null) return null;
  const path = (name: string) => absolute(fields.text(name, ''), `hostService.${name}`);
  const read = {
    socket: path('socket'),
    ...{ caFile: path('caFile'), certFile: path('certFile'), keyFile: path('keyFile') },
  };
  fields.end();
  return read;
}

function rootsFrom(fields: Fields | null): Settings['roots'] {
  const roots = (fields?.each() ?? []).map(([name, root]): [string, { path: string }] => {
    if (!rootName.test(name)) throw new SettingsError(`roots.${name} is not a name that a manifest can use`);
    const path = absolute(root.text('path', ''), `roots.${name}.path`);
    root.end();
    return [name, { path }];
  });
  return Object.fromEntries(roots);
}

function routeOf(text: string): Route {
  const route = routes.find((known) => known === text);
  if (route === undefined) throw new SettingsError(`hub.routes may hold ${routes.join(' and ')}`);
  return route;
}

function levelFrom(text: string | undefined): Level | undefined {
  const level = levels.find((known) => known === text);
  if (text === undefined || level !== undefined) return level;
  throw new SettingsError(`IOTDH_AGENT_MIN_LOG_LEVEL must be one of ${levels.join(', ')}`);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
