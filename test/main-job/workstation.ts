/**
 * A workstation of a test: the real agent as a process that can be killed, and a host application over the SDK that keeps every
 * change of state it was told of, over all of the agent's lives.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createWriteStream, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { bootFileImageSlots, createFileImageSlots } from '../../agent/src/slots/file-image-slots.ts';
import type { Environment } from '../../cli/src/dev/environment.ts';
import { createSeen, type Seen } from '../../demo/seen.ts';
import {
  type AgentClient,
  createAgentClient,
  type Position,
  type StateChange,
} from '../../sdk-ts/src/index.ts';
import { unixSocketFetch } from '../../sdk-ts/src/node.ts';
import type { Operator } from './operator.ts';

/** Who confirms. */
export const person = { id: 'm.keller', name: 'M. Keller' };

/** The states of a PATCH that is applied. */
export const wholeWay = [
  'READY',
  'INTRANSIT_PATCH',
  'READY_WITHPATCH',
  'WAIT_CONFIRM_PATCH',
  'APPLYING_PATCH',
  'READY',
];

export type Workstation = {
  readonly deviceId: string;
  readonly host: AgentClient;
  /** Every change, each once and in order. */
  readonly changes: Seen<StateChange>;
  /** Where the host application is installed. */
  readonly root: string;
  /** The version that the installed files say, or null without any. */
  installed(): Promise<string | null>;
  /** Resolves at the n-th time (default: first) that this state is reached. */
  reached(state: StateChange['to'], n?: number): Promise<StateChange>;
  /** Confirms what is pending, the first time that this state is reached or, with `n`, the n-th. */
  confirm(state: 'WAIT_CONFIRM_PATCH' | 'WAIT_CONFIRM_BASE', n?: number): Promise<void>;
  /** The states in order, from the first change on. */
  chain(): string[];
  /** Starts the agent; resolves once it runs. */
  start(): Promise<void>;
  /**
   * Kills the agent and starts it again; from now on it dies at each fail point that it has not died at yet, or only at those of one
   * event or effect, and is started again. Answers the points so far, and resolves once it has died at each of some.
   */
  dieEverywhere(of?: string): { points(): string[]; at(points: readonly string[]): Promise<void> };
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGTERM; resolves to how long it took, in ms. */
  stop(): Promise<number>;
  /** `iotdh-agent import`; resolves to what it printed. Rejects when it fails. */
  importBundle(folder: string): Promise<string>;
  /** What the agent wrote to stderr and stdout, over all its lives. */
  said(): Promise<string>;
};

export type WorkstationOptions = {
  environment: Environment;
  operator: Operator;
  deviceId: string;
  folder: string;
  /** More of the agent's environment. */
  env?: Readonly<Record<string, string>>;
  /** More of the agent's configuration. */
  configuration?: Readonly<Record<string, unknown>>;
};

const partitionBytes = 1_000_000;
/** How long an agent may take to start, in ms, beside as many others as the machine has to run. */
const startMs = 120_000;
const program = join(import.meta.dirname, 'agent-process.ts');
const agentProgram = join(import.meta.dirname, '..', '..', 'agent', 'bin', 'iotdh-agent.js');

/** Registers the device and starts its agent, which enrols and is BUSY. */
export async function startWorkstation(t: TestContext, options: WorkstationOptions): Promise<Workstation> {
  const { environment, operator, deviceId, folder } = options;
  const at = (...parts: string[]) => join(folder, ...parts);
  await mkdir(at('application', 'data'), { recursive: true });
  await writeFile(at('application', 'version'), '1.0');
  const registered = await operator.devices.registerDevice({ deviceId, requestId: crypto.randomUUID() });
  await writeFile(at('token'), registered.enrolmentToken, { mode: 0o600 });
  await writeFile(
    at('config.json'),
    JSON.stringify({
      dataDir: at('data'),
      credentials: {
        enrolment: { brokerUrl: environment.brokerUrl, tokenFile: at('token'), caFile: environment.caPath },
      },
      hub: { caFile: environment.caPath },
      trust: { rootFile: environment.trustRootFile },
      blobs: { caFile: environment.caPath },
      api: { socket: { path: at('agent.sock'), mode: '0600' } },
      roots: { application: { path: at('application') } },
      slots: { folder: at('slots') },
      partitions: [{ name: 'system', role: 'boot', bytes: partitionBytes }],
      bootIdFile: at('boot-id'),
      restartCommand: ['sh', '-c', `touch '${at('restarting')}'; kill -9 $PPID`],
      reservedDiskBytes: 0,
      ...options.configuration,
    }),
  );

  const log = createWriteStream(at('agent.log'), { flags: 'a' });
  const changes = createSeen<StateChange>();
  const following = new AbortController();
  const host = createAgentClient({ fetch: unixSocketFetch(at('agent.sock')) });
  let child: ChildProcess | undefined;
  let dying: Record<string, string> | undefined;
  /** `end`: the agent has ended without being asked to. */
  const lives = new EventEmitter();

  async function follow(after: Position): Promise<void> {
    for await (const change of host.stateChanges({ after, signal: following.signal })) changes.add(change);
  }

  function boot(): void {
    bootFileImageSlots(at('slots'));
    writeFileSync(at('boot-id'), crypto.randomUUID());
  }

  function spawnAgent(): void {
    const spawned = spawn(process.execPath, [program, '--config', at('config.json')], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env, ...dying },
    });
    spawned.stdout.pipe(log, { end: false });
    spawned.stderr.pipe(log, { end: false });
    child = spawned;
    spawned.once('exit', () => {
      if (following.signal.aborted || child !== spawned) return;
      // The machine is started anew: what was armed is what comes up.
      if (existsSync(at('restarting'))) {
        rmSync(at('restarting'));
        boot();
        spawnAgent();
      } else if (dying !== undefined) spawnAgent();
      lives.emit('end');
    });
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const ended = child;
    child = undefined;
    if (ended === undefined || ended.exitCode !== null || ended.signalCode !== null) return;
    const exited = once(ended, 'exit');
    ended.kill(signal);
    await exited;
  }

  const workstation: Workstation = {
    ...{ deviceId, host, changes, root: at('application') },
    installed: () => readFile(at('application', 'version'), 'utf8').catch(() => null),
    reached(state, n = 1) {
      let seen = 0;
      return changes.find((change) => change.to === state && ++seen === n, t.signal);
    },
    async confirm(state, n) {
      const { pendingUpdate } = await workstation.reached(state, n);
      assert.ok(pendingUpdate);
      // The agent may die many times before it answers: as long as the test may take.
      const patience = { signal: t.signal, timeoutMs: Number.POSITIVE_INFINITY };
      await host.confirm(pendingUpdate, { decision: 'confirm', person }, patience);
    },
    chain: () => changes.all.map((change) => change.to),
    async start() {
      spawnAgent();
      await host.getState({ timeoutMs: startMs });
    },
    dieEverywhere(of) {
      dying = { DEATHS: at('deaths'), ...(of !== undefined && { DEATHS_OF: of }) };
      const ended = child;
      ended?.kill('SIGKILL');
      const points = () =>
        existsSync(at('deaths')) ? readFileSync(at('deaths'), 'utf8').trim().split('\n') : [];
      return {
        points,
        async at(wanted) {
          const lacking = () => wanted.filter((point) => !points().includes(point));
          const named = () => new Error(`it has not died at: ${lacking().join(', ')}`);
          while (lacking().length > 0) {
            await once(lives, 'end', { signal: t.signal }).catch(() => Promise.reject(named()));
          }
        },
      };
    },
    kill: () => end('SIGKILL'),
    async stop() {
      const started = performance.now();
      await end('SIGTERM');
      return performance.now() - started;
    },
    async importBundle(bundle) {
      const command = [agentProgram, 'import', bundle, '--config', at('config.json')];
      const { stdout } = await promisify(execFile)(process.execPath, command);
      return stdout;
    },
    said: () => readFile(at('agent.log'), 'utf8'),
  };

  let followed: Promise<void> | undefined;
  t.after(async () => {
    // Whoever reads about a failure has only this of the workstation.
    if (!(t as { passed?: boolean }).passed)
      t.diagnostic(`${workstation.chain().join(' → ')}\n${await workstation.said()}`);
    following.abort();
    await end('SIGKILL');
    await followed;
    log.end();
    await rm(folder, { recursive: true, force: true });
  });
  createFileImageSlots({ folder: at('slots'), partitions: { system: partitionBytes } });
  boot();
  await workstation.start();
  // From here and not from whenever the stream opens: the test's next step may be a change already.
  const { position } = await host.getState({ timeoutMs: startMs });
  followed = follow(position).catch((error: unknown) => {
    if (!following.signal.aborted) changes.fail(error);
  });
  return workstation;
}
