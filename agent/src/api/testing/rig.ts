/** A whole agent behind its real server, with the real machine and journal; only the other subsystems are scripted. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { keyFileSigner } from '../../enrolment/consent-signer.ts';
import { openJournal } from '../../journal/open-journal.ts';
import { createMachine } from '../../machine/machine.ts';
import { createRunner, type Runner } from '../../machine/runner.ts';
import { type ScriptedPorts, scriptPorts } from '../../machine/testing/ports.ts';
import type { Disk, ServicePack, Update } from '../../machine/update.ts';
import { machinePort } from '../machine-port.ts';
import type { AgentMachine, Progress, UpdateView } from '../port.ts';
import { type ApiServer, type ApiServerOptions, createApiServer } from '../server.ts';
import { type LogStore, openLogStore } from '../store/open-log-store.ts';
import { type HostStore, openStore } from '../store/open-store.ts';
import { createManualClock, type ManualClock } from './manual-clock.ts';

export const token = 'a'.repeat(43);
const hex = (digit: string) => digit.repeat(64);

/** The pack that `offer` offers. */
export const pack = {
  updateId: 'update-1',
  patch: { version: '2.1', digest: hex('a'), transferId: 'transfer-patch' },
  base: { version: '2.0', digest: hex('b'), transferId: 'transfer-base' },
} satisfies ServicePack;

export type Rig = {
  readonly server: ApiServer;
  readonly machine: AgentMachine;
  readonly runner: Runner;
  readonly store: HostStore;
  readonly logStore: LogStore;
  readonly view: UpdateView;
  readonly ports: ScriptedPorts;
  readonly clock: ManualClock;
  readonly socketPath: string;
  /** Of loopback. */
  readonly url: string;
  /** What `sdk_cmdready` finds. */
  disk: Disk;
  /** Sets how far the transfer is. */
  progress(progress: Progress): void;
  /** Brings the agent from READY to this state. */
  bringTo(state: 'WAIT_CONFIRM_PATCH' | 'INTRANSIT_PATCH' | 'APPLYING_PATCH'): Promise<void>;
  /** Resolves once the agent is in this state. */
  reached(state: string): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
};

export type RigOptions = Partial<ApiServerOptions> & {
  maxChanges?: number;
  maxStoreBytes?: number;
  /** Where the agent keeps its files; stays. Default: a folder of its own, removed after the test. */
  directory?: string;
};

/** What the rig needs of its test. */
export type RigTest = Pick<TestContext, 'after' | 'signal' | 'diagnostic'>;

export async function rigFor(t: RigTest, options: RigOptions = {}): Promise<Rig> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'iotdh-api-'));
  const clock = createManualClock();
  const ports = scriptPorts();
  const socketPath = join(directory, 'agent.sock');
  const connectionString = join(directory, 'connection-string');
  writeFileSync(connectionString, 'HostName=hub;DeviceId=ws-1;SharedAccessKey=a2V5');
  let port = 0;
  let progress: Progress = { receivedBytes: 0, totalBytes: 1000 };
  const listeners = new Set<() => void>();
  const view: UpdateView = {
    describe: ({ target }: Update) => ({
      name: 'carto',
      title: `A ${target}`,
      summary: 'What changes.',
      changes: ['One', 'Two'],
      expectedDurationMs: 60_000,
      restartsMachine: false,
    }),
    progress: () => progress,
    onProgress(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };

  function assemble() {
    const { maxChanges = 10_000, maxStoreBytes = 16 * 1024 * 1024, directory: _kept, ...overrides } = options;
    const { journal, database } = openJournal({
      directory: join(directory, 'journal'),
      newId: () => '00000000-0000-4000-8000-000000000001',
      maxChanges,
      maxBytes: maxStoreBytes,
    });
    const machine = createMachine({ journal, now: clock.now });
    const runner = createRunner({
      ...{ journal, machine, ports: ports.ports },
      survey: async () => rig.disk,
      sleep: () => new Promise(() => undefined),
      onFinding: () => undefined,
      graceMs: 0,
    });
    const logPath = join(directory, 'api.db');
    const store = openStore({ journal, database }, logPath);
    const { logStore } = openLogStore({ path: logPath, maxBytes: maxStoreBytes });
    const adapted = machinePort({ machine, runner, journal });
    const server = createApiServer({
      ...{ machine: adapted, view, store, logStore, clock },
      signer: keyFileSigner(join(directory, 'evidence-key.pem'), connectionString),
      redact: (entry) => entry,
      socket: { path: socketPath, mode: 0o600 },
      loopback: { port, token, allowedOrigins: ['http://localhost:5173'] },
      onFailure: (error) => t.diagnostic(String(error)),
      ...overrides,
    });
    return { journal, machine: adapted, runner, store, logStore, server };
  }

  type Parts = ReturnType<typeof assemble>;
  let parts: Parts | null = null;
  const running = (): Parts => {
    if (parts === null) throw new Error('the agent is stopped');
    return parts;
  };

  async function start(): Promise<void> {
    parts = assemble();
    parts.runner.start();
    await parts.server.start();
    port = parts.server.port ?? 0;
  }

  async function stop(): Promise<void> {
    if (parts === null) return;
    const { server, runner, journal, logStore } = parts;
    parts = null;
    await server.stop();
    await runner.stop();
    logStore.close();
    journal.close();
  }

  async function reached(state: string): Promise<void> {
    const { machine } = running();
    if (machine.standing().state === state) return;
    for await (const item of machine.moves(machine.standing().cursor, t.signal)) {
      if (item.kind === 'changed' && item.change.to === state) return;
    }
  }

  const rig: Rig = {
    get server() {
      return running().server;
    },
    get machine() {
      return running().machine;
    },
    get runner() {
      return running().runner;
    },
    get store() {
      return running().store;
    },
    get logStore() {
      return running().logStore;
    },
    get url() {
      return `http://127.0.0.1:${port}`;
    },
    view,
    ports,
    clock,
    socketPath,
    disk: { patch: null, base: null },
    progress(next) {
      progress = next;
      for (const listener of listeners) listener();
    },
    async bringTo(state) {
      const event = <T extends string>(type: T) => ({
        kind: 'event' as const,
        event: { type, manifestDigest: pack.patch.digest },
      });
      if (state !== 'INTRANSIT_PATCH') {
        ports.on('start_transfer', async () => event('transfer_complete'));
        ports.on('prompt', async () => event('prompt_issued'));
      }
      await running().runner.submit({ type: 'cloud_cmdupgrade', pack });
      if (state === 'APPLYING_PATCH') {
        await reached('WAIT_CONFIRM_PATCH');
        const about = { manifestDigest: pack.patch.digest, person: 'site' };
        await running().runner.submit({ type: 'sdk_confirmpatch', ...about });
      }
      await reached(state);
    },
    reached,
    start,
    stop,
  };

  t.after(async () => {
    await stop();
    if (options.directory === undefined) rmSync(directory, { recursive: true, force: true });
  });
  await start();
  return rig;
}
