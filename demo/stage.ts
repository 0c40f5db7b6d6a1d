/** Everything that the demo's story plays on: the cloud's part, one real workstation, three simulated ones, and the operator. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from '../cli/src/dev/environment.ts';
import { type CommandLine, createCommandLine } from './command-line.ts';
import { assembleMachine, type Machine } from './machine/machine.ts';
import { createOperator, type Operator } from './operator.ts';
import type { Processes } from './processes.ts';
import type { Run } from './run.ts';
import type { Screen } from './story/screen.ts';
import { createOperatorTeller } from './story/tell-operator.ts';
import { createWorkstationTeller } from './story/tell-workstation.ts';

export const workstation = { deviceId: 'ws-cath-lab-1', site: 'Heart Centre' };
export const simulated = [
  { deviceId: 'ws-cath-lab-2', site: 'Heart Centre' },
  { deviceId: 'ws-theatre-1', site: 'University Hospital' },
  { deviceId: 'ws-theatre-2', site: 'University Hospital' },
];

export type StageOptions = {
  /** For everything; the caller removes it. */
  folder: string;
  screen: Screen;
  processes: Processes;
  run: Run;
  env: Readonly<Record<string, string | undefined>>;
  signal: AbortSignal;
};

export type Cloud = { environment: Environment; operator: Operator; commandLine: CommandLine };

/** Somebody who watches the fleet, and the command line beside. */
export async function openCloud(options: StageOptions, environment: Environment): Promise<Cloud> {
  const { folder, screen, processes, env, signal } = options;
  const { apiUrl, brokerUrl, caPath, operatorTokenFile, keysFolder } = environment;
  const { token } = JSON.parse(await readFile(operatorTokenFile, 'utf8')) as { token: string };
  const operator = createOperator({
    ...{ apiUrl, token, signal },
    caPem: await readFile(caPath, 'utf8'),
    onEvent: createOperatorTeller(screen, workstation.deviceId),
  });
  await operator.watching;
  const configFolder = join(folder, 'config');
  const commandLine = createCommandLine({
    ...{ apiUrl, brokerUrl, caPath, operatorTokenFile, keysFolder, configFolder, processes, env },
  });
  return { environment, operator, commandLine };
}

/** Registers the simulated workstations and starts the process that they live in. */
export async function startSimulated(options: StageOptions, { environment, operator }: Cloud): Promise<void> {
  const folder = join(options.folder, 'simulated');
  for (const { deviceId, site } of simulated) {
    const token = await operator.register(deviceId, site);
    await mkdir(join(folder, deviceId), { recursive: true });
    await writeFile(join(folder, deviceId, 'token'), token, { mode: 0o600 });
  }
  const main = join(import.meta.dirname, 'simulated-workstations', 'main.ts');
  const where = ['--folder', folder, '--broker', environment.brokerUrl, '--ca', environment.caPath];
  options.processes.start(process.execPath, [main, ...where], {
    env: options.env,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
}

/** Registers the real workstation and puts it together, switched off. */
export async function installWorkstation(
  options: StageOptions,
  { environment, operator }: Cloud,
  systemImage: string,
): Promise<Machine> {
  const { folder, screen, processes, run, env, signal } = options;
  const machine = await assembleMachine({
    ...{ folder: join(folder, 'machine'), systemImage, processes, run, env },
    brokerUrl: environment.brokerUrl,
    caPath: environment.caPath,
    trustRootFile: environment.trustRootFile,
    enrolmentToken: await operator.register(workstation.deviceId, workstation.site),
    // The demo stands for the hardware: this signal is its reset line.
    restartCommand: ['kill', '-s', 'USR2', String(process.pid)],
    onSight: createWorkstationTeller(screen),
  });
  const reset = async () => {
    screen.event('machine', 'goes down');
    await machine.powerOff();
    if (signal.aborted) return;
    screen.event('machine', `comes up from slot ${await machine.powerOn()}`);
  };
  const onReset = () => void reset().catch((error: unknown) => machine.screen.fail(error));
  process.on('SIGUSR2', onReset);
  signal.addEventListener('abort', () => process.off('SIGUSR2', onReset), { once: true });
  return machine;
}
