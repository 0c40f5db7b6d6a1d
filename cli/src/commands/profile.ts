/** `iotdh profile …`: which fleets there are, and which one is meant. */
import { resolve } from 'node:path';
import { type Profile, profilesPath, readProfiles, writeProfiles } from '../connection/profiles.ts';
import type { TargetOptions } from '../connection/target.ts';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { type Format, formatOf, printJson } from '../output/format.ts';
import { tableText } from '../output/table.ts';
import type { Terminal } from '../terminal.ts';

type Row = Profile & { name: string; current: boolean };

async function show(terminal: Terminal, output: Format | undefined, rows: readonly Row[]): Promise<void> {
  const format = formatOf(output, terminal);
  if (format === 'name') for (const { name } of rows) terminal.out(`${name}\n`);
  else if (format !== 'table')
    await printJson(
      terminal,
      format,
      rows.map((row) => ({ ...row })),
    );
  else if (rows.length === 0) terminal.note('There are no profiles. One is made by: iotdh dev up');
  else {
    const columns = [
      { header: '', value: ({ current }: Row) => (current ? '*' : ' ') },
      { header: 'PROFILE', value: ({ name }: Row) => name },
      { header: 'API', value: ({ apiUrl }: Row) => apiUrl },
      { header: 'AUTHORITY', value: ({ caFile }: Row) => caFile },
      { header: 'TOKEN FILE', value: ({ tokenFile }: Row) => tokenFile },
    ];
    terminal.out(tableText(columns, rows, terminal));
  }
}

export async function listProfiles(terminal: Terminal, output: Format | undefined): Promise<void> {
  const { current, profiles } = await readProfiles(profilesPath(terminal.env));
  const rows = Object.entries(profiles).map(([name, profile]) => ({
    name,
    current: name === current,
    ...profile,
  }));
  await show(terminal, output, rows);
}

export async function showProfile(
  terminal: Terminal,
  options: TargetOptions & { output?: Format },
): Promise<void> {
  const { current, profiles } = await readProfiles(profilesPath(terminal.env));
  const name = options.profile ?? (terminal.env.IOTDH_PROFILE || current);
  const profile = profiles[name];
  if (profile === undefined) throw unknown(name);
  await show(terminal, options.output, [{ name, current: name === current, ...profile }]);
}

export async function useProfile(terminal: Terminal, name: string): Promise<void> {
  const path = profilesPath(terminal.env);
  const { profiles } = await readProfiles(path);
  if (profiles[name] === undefined) throw unknown(name);
  await writeProfiles(path, { current: name, profiles });
  terminal.note(`Commands now talk to ${profiles[name].apiUrl}.`);
}

/** What is not given stays as it is. */
export async function setProfile(terminal: Terminal, name: string, options: TargetOptions): Promise<void> {
  const path = profilesPath(terminal.env);
  const { current, profiles } = await readProfiles(path);
  const before = profiles[name] ?? { apiUrl: '', brokerUrl: '', caFile: '', tokenFile: '', keysFolder: '' };
  const apiUrl = options.apiUrl ?? before.apiUrl;
  if (apiUrl === '') throw new Failure(exitCode.usage, `profile ${name} needs an --api-url`);
  profiles[name] = {
    apiUrl,
    brokerUrl: options.brokerUrl ?? before.brokerUrl,
    caFile: options.caFile === undefined ? before.caFile : resolve(terminal.cwd, options.caFile),
    tokenFile: options.tokenFile === undefined ? before.tokenFile : resolve(terminal.cwd, options.tokenFile),
    keysFolder: before.keysFolder,
  };
  await writeProfiles(path, { current: current || name, profiles });
}

export async function removeProfile(terminal: Terminal, name: string): Promise<void> {
  const path = profilesPath(terminal.env);
  const { current, profiles } = await readProfiles(path);
  if (profiles[name] === undefined) throw unknown(name);
  delete profiles[name];
  await writeProfiles(path, { current: current === name ? '' : current, profiles });
}

const unknown = (name: string): Failure =>
  new Failure(exitCode.notFound, name === '' ? 'no profile is in use' : `there is no profile ${name}`, {
    next: 'See what there is with: iotdh profile list',
  });
