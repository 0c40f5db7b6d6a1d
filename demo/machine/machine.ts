/**
 * A workstation as a folder: two slots with system images, the system that is mounted from one of them, and on it the real
 * agent and the sample host application as processes. What firmware and boot loader would do is done here.
 */
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { bootFileImageSlots, createFileImageSlots } from '../../agent/src/slots/file-image-slots.ts';
import type { FromHostApplication, ToHostApplication } from '../host-application/lines.ts';
import type { Processes } from '../processes.ts';
import { programPath } from '../releases/unpack.ts';
import type { Run } from '../run.ts';
import { createSeen, type Seen } from '../seen.ts';

export type MachineOptions = {
  /** Made if it is missing. */
  folder: string;
  /** The image of the system that the factory puts on it: an archive of the install roots. */
  systemImage: string;
  brokerUrl: string;
  caPath: string;
  /** The first root, which the agent trusts. */
  trustRootFile: string;
  enrolmentToken: string;
  /** What the agent runs to have this machine restarted. */
  restartCommand: readonly string[];
  /** Told of everything that is to be seen on its screen. */
  onSight(line: FromHostApplication): void;
  processes: Processes;
  env: Readonly<Record<string, string | undefined>>;
  run: Run;
};

export type Machine = {
  /** What is to be seen on its screen. */
  readonly screen: Seen<FromHostApplication>;
  /** What a person at the workstation does. */
  tell(line: ToHostApplication): void;
  /** Resolves to the slot that came up. */
  powerOn(): Promise<string>;
  powerOff(): Promise<void>;
};

const repository = join(import.meta.dirname, '..', '..');
const partition = 'system';
const partitionBytes = 256 * 1024 * 1024;

export async function assembleMachine(options: MachineOptions): Promise<Machine> {
  const { folder, processes, run } = options;
  const at = (...parts: string[]) => join(folder, ...parts);
  const screen = createSeen<FromHostApplication>(options.onSight);
  const socket = at('agent.sock');
  let running: ChildProcess[] = [];
  let hostApplication: ChildProcess | undefined;
  let isOff = true;

  // What the factory does.
  await mkdir(at('agent'), { recursive: true, mode: 0o700 });
  createFileImageSlots({ folder: at('slots'), partitions: { [partition]: partitionBytes } });
  await copyFile(options.systemImage, at('slots', 'a', `${partition}.img`));
  await mount('a');
  await writeFile(at('enrolment-token'), options.enrolmentToken, { mode: 0o600 });
  const settings = {
    dataDir: at('agent'),
    model: 'demo',
    credentials: {
      enrolment: {
        brokerUrl: options.brokerUrl,
        tokenFile: at('enrolment-token'),
        caFile: options.caPath,
      },
    },
    hub: { caFile: options.caPath },
    trust: { rootFile: options.trustRootFile },
    api: { socket: { path: socket } },
    roots: {
      'host-application': { path: at('system', 'host-application') },
      'imaging-libraries': { path: at('system', 'imaging-libraries') },
    },
    slots: { folder: at('slots') },
    partitions: [{ name: partition, role: 'boot', bytes: partitionBytes }],
    restartCommand: options.restartCommand,
    bootIdFile: at('boot-id'),
    telemetryIntervalMs: 5_000,
  };
  await writeFile(at('agent.json'), JSON.stringify(settings, undefined, 2));

  /** What is in the image becomes the system, unless this slot was mounted before: then it is as it was left. */
  async function mount(slot: string, isFresh = true): Promise<void> {
    const target = at('mounts', slot);
    if (isFresh) {
      await rm(target, { recursive: true, force: true });
      await mkdir(target, { recursive: true });
      await run('tar', ['-C', target, '-xf', at('slots', slot, `${partition}.img`)]);
    }
    await symlink(target, at('system.next'));
    await rename(at('system.next'), at('system'));
  }

  function start(name: string, args: readonly string[], stdout: 'pipe' | 'log'): ChildProcess {
    const log = createWriteStream(at(`${name}.log`), { flags: 'a' });
    const env = { ...options.env, HOST_APPLICATION_ROOT: at('system', 'host-application') };
    const child = processes.start(process.execPath, args, { env, stdio: 'pipe' });
    child.stderr?.pipe(log);
    if (stdout === 'log') child.stdout?.pipe(log);
    child.once('exit', (code, signal) => {
      if (!isOff) void report(name, code ?? signal);
    });
    return child;
  }

  async function report(name: string, end: unknown): Promise<void> {
    const log = await readFile(at(`${name}.log`), 'utf8').catch(() => '');
    screen.fail(new Error(`${name} ended (${String(end)}):\n${log.slice(-3_000)}`));
  }

  let mounted = 'a';
  return {
    screen,
    tell(line) {
      hostApplication?.stdin?.write(`${JSON.stringify(line)}\n`);
    },
    async powerOn() {
      const slot = bootFileImageSlots(at('slots'));
      if (slot !== mounted) await mount(slot);
      mounted = slot;
      await writeFile(at('boot-id'), randomUUID());
      isOff = false;
      const agent = start(
        'agent',
        [join(repository, 'agent', 'bin', 'iotdh-agent.js'), '--config', at('agent.json')],
        'log',
      );
      const application = start(
        'host-application',
        [
          join(repository, 'demo', 'host-application', 'main.ts'),
          ...['--socket', socket, '--product', 'dcm2niix', '--positions', at('position')],
          ...['--program', at('system', 'host-application', programPath)],
        ],
        'pipe',
      );
      createInterface({ input: application.stdout! }).on('line', (line) => {
        screen.add(JSON.parse(line) as FromHostApplication);
      });
      hostApplication = application;
      running = [agent, application];
      return slot;
    },
    async powerOff() {
      isOff = true;
      await Promise.all(running.map(processes.end));
      running = [];
    },
  };
}
