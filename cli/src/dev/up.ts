/** `iotdh dev up`: in the foreground until Ctrl-C, or detached. */
import { spawn } from 'node:child_process';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { profilesPath, readProfiles, writeProfiles } from '../connection/profiles.ts';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import type { Terminal } from '../terminal.ts';
import { type Ports, startEnvironment } from './environment.ts';
import { ownerOf } from './folder-lock.ts';
import { readSummary, removeSummary, type Summary, writeSummary } from './summary.ts';

export type UpOptions = {
  folder: string;
  detach?: boolean;
  supervised?: boolean;
  /** Each service a process of its own. */
  processes?: boolean;
  sku: 'S1' | 'S2' | 'S3' | 'off';
};

export const profileName = 'dev';

/** Easy to remember, and seldom taken; where one is, the system chooses another. */
const preferredPorts: Partial<Ports> = {
  hub: 18_443,
  hubAmqp: 15_672,
  blobs: 10_000,
  database: 27_117,
  api: 18_080,
  broker: 18_081,
};

const detachedReadyMs = 300_000;
const pollMs = 100;

/** Resolves to the exit code. */
export async function up(terminal: Terminal, options: UpOptions): Promise<number> {
  const { folder } = options;
  const running = await ownerOf(folder);
  if (running !== undefined) {
    const summary = await readSummary(folder);
    if (summary === undefined) {
      throw new Failure(exitCode.failed, `process ${running.pid} is starting the environment in ${folder}`, {
        next: 'See: iotdh dev status',
      });
    }
    await saveProfile(terminal, summary);
    terminal.note('It runs already.');
    announce(terminal, summary, true);
    return exitCode.ok;
  }
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await removeSummary(folder);
  return options.detach === true ? upDetached(terminal, options) : upForeground(terminal, options);
}

async function upForeground(terminal: Terminal, options: UpOptions): Promise<number> {
  const { folder, sku, supervised = false, processes = false } = options;
  const lost = Promise.withResolvers<string>();
  const environment = await startEnvironment({
    folder,
    sku,
    services: processes ? 'apart' : 'together',
    preferredPorts,
    signal: terminal.signal,
    env: terminal.env,
    log: (line) => terminal.note(terminal.style('dim', line, 'note')),
    onLost: lost.resolve,
  });
  try {
    await writeSummary(environment);
    const summary = await readSummary(folder);
    if (summary !== undefined && !supervised) {
      await saveProfile(terminal, summary);
      announce(terminal, summary, false);
    }
    const interrupted = new Promise<undefined>((resolve) => {
      if (terminal.signal.aborted) resolve(undefined);
      terminal.signal.addEventListener('abort', () => resolve(undefined), { once: true });
    });
    const name = await Promise.race([interrupted, lost.promise]);
    if (name === undefined) return exitCode.ok;
    throw new Failure(exitCode.failed, `${name} has ended without being asked to`, {
      next: `What it said last is in ${join(folder, 'logs', `${name}.log`)}`,
    });
  } finally {
    terminal.note('Stopping; the data stay. Once more ends it at once.');
    await removeSummary(folder);
    await environment.stop();
  }
}

async function upDetached(terminal: Terminal, options: UpOptions): Promise<number> {
  const { folder, sku, processes = false } = options;
  const logPath = join(folder, 'dev.log');
  const log = await open(logPath, 'a', 0o600);
  let told = (await log.stat()).size;
  const command = join(import.meta.dirname, '../../bin/iotdh.js');
  const child = spawn(
    process.execPath,
    [
      ...[command, 'dev', 'up', '--folder', folder, '--sku', sku, '--supervised'],
      ...(processes ? ['--processes'] : []),
    ],
    {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: { ...terminal.env, NO_COLOR: '1' },
    },
  );
  await log.close();
  let ended = false;
  child.once('exit', () => {
    ended = true;
  });
  /** Whole lines that the start has written since, as they would have been seen in the foreground. */
  const tell = async () => {
    const text = (await readFile(logPath)).subarray(told).toString();
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    told += Buffer.byteLength(whole);
    if (whole !== '') terminal.note(terminal.style('dim', whole.trimEnd(), 'note'));
  };
  const stop = () => void child.kill('SIGTERM');
  terminal.signal.addEventListener('abort', stop, { once: true });
  const deadlineMs = terminal.now().getTime() + detachedReadyMs;
  for (;;) {
    const summary = ended ? undefined : await readSummary(folder);
    await tell();
    if (summary !== undefined) {
      terminal.signal.removeEventListener('abort', stop);
      child.unref();
      await saveProfile(terminal, summary);
      announce(terminal, summary, true);
      return exitCode.ok;
    }
    if (ended || terminal.now().getTime() > deadlineMs) {
      stop();
      const tail = (await readFile(logPath, 'utf8')).trim().split('\n').slice(-5).join('\n');
      throw new Failure(exitCode.failed, `it did not start: ${tail}`, {
        next: 'Look for the cause with: iotdh dev doctor',
      });
    }
    await terminal.wait(pollMs);
  }
}

/** The commands talk to it at once, unless another profile is in use. */
async function saveProfile(terminal: Terminal, summary: Summary): Promise<void> {
  const path = profilesPath(terminal.env);
  const { current, profiles } = await readProfiles(path);
  const { apiUrl, brokerUrl, caPath: caFile, operatorTokenFile: tokenFile, keysFolder } = summary;
  profiles[profileName] = { apiUrl, brokerUrl, caFile, tokenFile, keysFolder };
  await writeProfiles(path, { current: current || profileName, profiles });
  if (current !== '' && current !== profileName) {
    terminal.note(`Profile ${current} stays in use. For this environment: iotdh profile use ${profileName}`);
  }
}

function announce(terminal: Terminal, summary: Summary, detached: boolean): void {
  const rows: [string, string][] = [
    ['API', summary.apiUrl],
    ['Broker', summary.brokerUrl],
    ['IoT Hub', summary.hub.hostName],
    ['Authority', summary.caPath],
    ['Token', summary.operatorTokenFile],
    ['Root', `${summary.trustRootFile} (what agents trust)`],
    ['Keys', `${summary.keysFolder} (sign what is uploaded)`],
    ['Data', `${summary.folder} (kept over restarts)`],
  ];
  const lines = rows
    .map(([name, value]) => `  ${terminal.style('bold', name.padEnd(9))} ${value}\n`)
    .join('');
  // What is run by npx is not on the path.
  const iotdh = terminal.env.npm_command === 'exec' ? 'npx iotdh' : 'iotdh';
  terminal.out(
    `${terminal.style('green', 'Ready.')}\n${lines}
Try:
  ${iotdh} device register ws-0001
  ${iotdh} device list
  ${iotdh} watch
${detached ? `Stop it with: ${iotdh} dev down\n` : 'Stop it with Ctrl-C.\n'}`,
  );
}
