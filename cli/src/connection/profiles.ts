/**
 * Profiles: which fleet the commands talk to. They are in one file of this user, which names the file of the token and never
 * holds the token itself.
 */
import { mkdir, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { writeWhole } from '../write-whole.ts';

export type Profile = {
  /** Of the fleet's services. */
  apiUrl: string;
  /** Of the authentication broker. Empty: the same. */
  brokerUrl: string;
  /** An authority to trust besides those of the system, PEM. Empty: none. */
  caFile: string;
  /** `{"name", "token"}`, or the token alone. */
  tokenFile: string;
  /** A folder of keys that sign what is uploaded. Empty: packs are signed before. */
  keysFolder: string;
};

export type Profiles = { current: string; profiles: Record<string, Profile> };

const maxFileBytes = 1024 * 1024;
const fields = ['apiUrl', 'brokerUrl', 'caFile', 'tokenFile', 'keysFolder'] as const;

/** IOTDH_CONFIG_DIR, else `iotdh` in the folder for settings of the XDG Base Directory Specification. */
export function profilesPath(env: Readonly<Record<string, string | undefined>>): string {
  const folder = env.IOTDH_CONFIG_DIR || join(env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'iotdh');
  return join(folder, 'profiles.json');
}

/** Empty when there is no file. Throws a `Failure` when it is not what we wrote. */
export async function readProfiles(path: string): Promise<Profiles> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return { current: '', profiles: {} };
  const broken = (cause?: unknown) =>
    new Failure(exitCode.usage, `${path} is not a file of profiles`, {
      next: 'Put it right, or remove it.',
      cause,
    });
  if (found.size > maxFileBytes) throw broken();
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw broken(cause);
  }
  const { current = '', profiles = {} } = (value ?? {}) as { current?: unknown; profiles?: unknown };
  if (typeof current !== 'string' || typeof profiles !== 'object' || profiles === null) throw broken();
  return {
    current,
    profiles: Object.fromEntries(
      Object.entries(profiles as Record<string, unknown>).map(([name, profile]) => {
        if (typeof profile !== 'object' || profile === null) throw broken();
        const given = profile as Record<string, unknown>;
        const text = (key: string) => (typeof given[key] === 'string' ? given[key] : '');
        return [name, Object.fromEntries(fields.map((key) => [key, text(key)])) as Profile];
      }),
    ),
  };
}

/** Replaces the file as a whole, for its owner alone. */
export async function writeProfiles(path: string, profiles: Profiles): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeWhole(path, `${JSON.stringify(profiles, undefined, 2)}\n`);
}
