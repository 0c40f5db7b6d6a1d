/**
 * apt on Debian and its relatives, by its programs (apt-get(8), dpkg-query(1), dpkg(1)). They are left to end by themselves when
 * the agent dies: half-configured packages are worse than late ones, and dpkg's lock makes the next run wait.
 */
import type { Clock } from '../clock.ts';
import type { ActionEnd, Apt, PackageVersion } from '../ports.ts';
import { type RunEnd, type RunProgram, runProgram } from '../process-group.ts';

export type AptOptions = {
  clock: Clock;
  redact: (text: string) => string;
  /** Takes the output of a run, whose end may come after the agent's own. Its folder must exist. */
  outputPath: string;
  /** Where apt-get and dpkg are found. Default: the system's folders. */
  path?: string;
  /** How long apt waits for another package manager to let go of its lock, in seconds. Default 600. */
  lockTimeoutSeconds?: number;
  /** Default: on this machine. */
  run?: RunProgram;
};

const maxOutputBytes = 1024 * 1024;
const queryLimitMs = 60_000;
const packageName = /^[A-Za-z0-9][A-Za-z0-9+._-]*$/;

export function createApt(options: AptOptions): Apt {
  const { clock, redact, outputPath, lockTimeoutSeconds = 600, run = runProgram } = options;
  const { path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' } = options;
  const environment = { PATH: path, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };

  function start(
    file: string,
    args: readonly string[],
    timeLimitMs: number,
    signal: AbortSignal,
    outlives = false,
  ) {
    const bounds = { folder: '/', environment, timeLimitMs, maxOutputBytes, redact, signal, clock };
    return run({ file, args }, outlives ? { ...bounds, outlivesInto: outputPath } : bounds);
  }

  /** Options for whatever changes packages: nobody is there to answer, and configuration that was edited is kept. */
  const unattended = [
    '-y',
    '-q',
    '-o',
    `DPkg::Lock::Timeout=${lockTimeoutSeconds}`,
    '-o',
    'Dpkg::Options::=--force-confdef',
    '-o',
    'Dpkg::Options::=--force-confold',
  ];

  async function versionOf(name: string, signal: AbortSignal): Promise<string | null> {
    // What is no package's name is not installed as a package.
    if (!packageName.test(name)) return null;
    const field = (of: string) => `\${${of}}`;
    const format = `${field('db:Status-Status')}\\t${field('Version')}\\n`;
    const end = await start('dpkg-query', ['-W', '-f', format, '--', name], queryLimitMs, signal);
    if (end.kind !== 'exited' || end.exitCode !== 0) return null;
    const installed = end.stdout.split('\n').find((line) => line.startsWith('installed\t'));
    return installed?.slice('installed\t'.length) ?? null;
  }

  return {
    versionOf,
    async simulate(packages, { timeLimitMs, signal }) {
      const updated = await start('apt-get', ['update', ...unattended], timeLimitMs, signal);
      const refused = failureOf(updated, 'apt-get update', timeLimitMs);
      if (refused !== null) return refused;
      const args = ['install', '-s', ...unattended, '--', ...packages.map(wordOf)];
      const end = await start('apt-get', args, timeLimitMs, signal);
      const failure = failureOf(end, 'apt-get install (simulated)', timeLimitMs);
      if (failure !== null) return failure;
      return { kind: 'simulated', before: changesIn(end.kind === 'exited' ? end.stdout : '') };
    },
    async install(packages, { allowDowngrades, timeLimitMs, signal }) {
      const downgrades = allowDowngrades ? ['--allow-downgrades'] : [];
      const args = ['install', ...unattended, ...downgrades, '--', ...packages.map(wordOf)];
      let end = await start('apt-get', args, timeLimitMs, signal, true);
      if (end.kind === 'exited' && end.exitCode !== 0 && end.stdout.includes('dpkg --configure -a')) {
        // apt says so when an earlier run was cut short (apt-get itself does not repair it).
        const configured = await start(
          'dpkg',
          ['--configure', '-a', '--force-confold'],
          timeLimitMs,
          signal,
          true,
        );
        const unfinished = failureOf(configured, 'dpkg --configure -a', timeLimitMs);
        if (unfinished !== null) return unfinished;
        end = await start('apt-get', args, timeLimitMs, signal, true);
      }
      const failure = failureOf(end, 'apt-get install', timeLimitMs);
      if (failure !== null) return failure;
      return end.kind === 'exited' ? { kind: 'done', exitCode: 0, output: end.output } : { kind: 'stopped' };
    },
  };
}

/** apt's own notation: a version to install, or a minus to remove. */
function wordOf({ name, version }: PackageVersion): string {
  return version === null ? `${name}-` : `${name}=${version}`;
}

/** "Inst name [old] (new …" for each package that would change; without "[old]" it is not installed yet. */
function changesIn(output: string): PackageVersion[] {
  return [...output.matchAll(/^(?:Inst|Remv) (\S+)(?: \[([^\]]+)\])?/gm)].map(([, name = '', version]) => ({
    name,
    version: version ?? null,
  }));
}

function failureOf(
  end: RunEnd,
  what: string,
  timeLimitMs: number,
): Exclude<ActionEnd, { kind: 'done' }> | null {
  switch (end.kind) {
    case 'exited': {
      const { exitCode, output } = end;
      if (exitCode === 0) return null;
      return { kind: 'failed', reason: `${what} exited with ${exitCode}`, exitCode, output };
    }
    case 'stopped':
      return { kind: 'stopped' };
    case 'not_started':
      return { kind: 'failed', reason: end.reason };
    case 'timed_out':
      return { kind: 'failed', reason: `${what} took longer than ${timeLimitMs} ms`, output: end.output };
    case 'killed':
      return { kind: 'failed', reason: `${what} was ended by ${end.signal}`, output: end.output };
  }
}
