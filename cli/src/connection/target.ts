/** Which fleet a command talks to, from its options, the environment and the profiles, in this order. */
import { readFile, stat } from 'node:fs/promises';
import { closest } from '../closest.ts';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import type { Terminal } from '../terminal.ts';
import { type Profile, profilesPath, readProfiles } from './profiles.ts';

/** The options that every command has which talks to a fleet. */
export type TargetOptions = {
  profile?: string;
  apiUrl?: string;
  brokerUrl?: string;
  caFile?: string;
  tokenFile?: string;
  keysFolder?: string;
};

export type Target = { apiUrl: string; brokerUrl: string; caPem: string; token: string; keysFolder: string };

/** A certificate or a token is far shorter. */
const maxFileBytes = 1024 * 1024;

/** Throws a `Failure` that says what is lacking and how to give it. */
export async function findTarget(options: TargetOptions, terminal: Terminal): Promise<Target> {
  const { env } = terminal;
  const profile = await chosenProfile(options.profile ?? env.IOTDH_PROFILE ?? '', terminal);
  const apiUrl = options.apiUrl || env.IOTDH_API_URL || profile.apiUrl;
  if (apiUrl === '') {
    throw new Failure(exitCode.usage, 'no fleet to talk to is named', {
      next:
        'Start one on this machine with: iotdh dev up\n' +
        'or name one with: iotdh profile set NAME --api-url https://… --token-file FILE\n' +
        'or set IOTDH_API_URL and IOTDH_TOKEN_FILE.',
    });
  }
  const caFile = options.caFile || env.IOTDH_CA_FILE || profile.caFile;
  const tokenFile = options.tokenFile || env.IOTDH_TOKEN_FILE || profile.tokenFile;
  return {
    apiUrl: checkedUrl(apiUrl),
    brokerUrl: checkedUrl(options.brokerUrl || env.IOTDH_BROKER_URL || profile.brokerUrl || apiUrl),
    caPem: caFile === '' ? '' : await readBounded(caFile, 'the authority to trust'),
    keysFolder: options.keysFolder || env.IOTDH_KEYS_FOLDER || profile.keysFolder,
    token: env.IOTDH_TOKEN || (tokenFile === '' ? '' : tokenIn(await readBounded(tokenFile, 'the token'))),
  };
}

async function chosenProfile(name: string, terminal: Terminal): Promise<Profile> {
  const { current, profiles } = await readProfiles(profilesPath(terminal.env));
  const wanted = name || current;
  const found = profiles[wanted];
  if (found !== undefined) return found;
  if (name !== '') {
    const near = closest(name, Object.keys(profiles));
    throw new Failure(exitCode.usage, `there is no profile ${name}`, {
      next: near === undefined ? 'See: iotdh profile list' : `Did you mean ${near}?`,
    });
  }
  return { apiUrl: '', brokerUrl: '', caFile: '', tokenFile: '', keysFolder: '' };
}

function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new Failure(exitCode.usage, `${text} is no address: it must begin with https:// or http://`);
  }
  const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url.protocol === 'http:' && !isLocal) {
    throw new Failure(exitCode.usage, `${text} would send the token in the clear`, { next: 'Use https://.' });
  }
  return text.replace(/\/+$/, '');
}

async function readBounded(path: string, what: string): Promise<string> {
  try {
    if ((await stat(path)).size > maxFileBytes) throw new Error('is too long');
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new Failure(exitCode.usage, `${what} cannot be read from ${path}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** The first operator of a file as the services read it, or a token alone. */
function tokenIn(text: string): string {
  const line = text.split('\n').find((one) => one.trim() !== '') ?? '';
  if (!line.trimStart().startsWith('{')) return line.trim();
  try {
    const { token } = JSON.parse(line) as { token?: unknown };
    return typeof token === 'string' ? token : '';
  } catch {
    return '';
  }
}
