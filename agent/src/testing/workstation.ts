/** A workstation for tests: the agent's real process, a hub over TLS with a small cloud behind it, and the SDK as host application. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { watch } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { create, toJson } from '@bufbuild/protobuf';
import {
  AssignmentPointerSchema,
  Carrier,
  type DeviceToCloud,
  type Frame,
  type FrameRequest,
  type UpdateResult,
  UpgradeOfferSchema,
} from '@iotdh/proto/bus/v1';
import type { ManifestRef } from '@iotdh/proto/update/v1';
import { createRepository, type Repository } from '@iotdh/trust/testing';
import { createLocalHub, type LocalHub } from '../../../local-hub/src/index.ts';
import {
  type AgentClient,
  type AgentState,
  createAgentClient,
  type Decision,
} from '../../../sdk-ts/src/index.ts';
import { unixSocketFetch } from '../../../sdk-ts/src/node.ts';
import { deviceId, type Seen, sendTo, tapTelemetry } from '../bus/testing/rig.ts';
import { answer } from '../transfer/testing/cloud.ts';
import type { Blobs } from '../transfer/testing/pack.ts';
import type { TestPack } from './pack.ts';
import { offeredMetadata, signedManifest } from './signed.ts';

export const person = { id: 'nurse-7', name: 'N. Seven' };
/** Bytes of each frame that the cloud offers. */
export const frameSize = 4096;
export const traceParent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const program = fileURLToPath(new URL('../../bin/iotdh-agent.js', import.meta.url));

/** Fields of the configuration that are other than usual. */
type Changes = Record<string, unknown>;

export type Workstation = Awaited<ReturnType<typeof createWorkstation>>;

export async function createWorkstation(
  t: TestContext,
  changes: Changes | ((folder: string) => Changes) = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-agent-'));
  const hub: LocalHub = await createLocalHub({ sku: 'off' });
  const inFolder = (name: string) => join(folder, name);
  const root = inFolder('app');
  mkdirSync(root);
  writeFileSync(join(root, 'version.txt'), '1.0\n');
  writeFileSync(inFolder('connection-string'), await hub.deviceConnectionString(deviceId), { mode: 0o600 });
  writeFileSync(inFolder('hub-ca.pem'), hub.caPem);
  const config = {
    dataDir: inFolder('data'),
    model: 'Carto 3',
    credentials: { connectionStringFile: inFolder('connection-string') },
    hub: { caFile: inFolder('hub-ca.pem'), routes: ['mqtt'] },
    api: { socket: { path: inFolder('agent.sock') } },
    roots: { 'host-app': { path: root } },
    trust: { rootFile: inFolder('root.json') },
    telemetryIntervalMs: 1000,
    ...(typeof changes === 'function' ? changes(folder) : changes),
  };
  writeFileSync(inFolder('config.json'), JSON.stringify(config));

  const blobs: Blobs = new Map();
  const repository = await createRepository({ nowMs: Date.now() });
  writeFileSync(inFolder('root.json'), repository.anchor);
  const cloud = createCloud(hub, blobs, repository);
  const client: AgentClient = createAgentClient({ fetch: unixSocketFetch(inFolder('agent.sock')) });

  let agent: ChildProcess | null = null;
  let output = '';
  const onOutput = new EventEmitter();
  async function start(): Promise<void> {
    const { PATH, NODE_COMPILE_CACHE } = process.env;
    const child = spawn(process.execPath, [program, '--config', inFolder('config.json')], {
      env: { PATH, NODE_COMPILE_CACHE, TEST_FOLDER: folder },
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    agent = child;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      onOutput.emit('more');
    });
    // A process takes its time to start on a machine that has much to do.
    await client.getState({ timeoutMs: 60_000 });
  }
  async function kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<number | null> {
    const child = agent;
    agent = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? null;
    child.kill(signal);
    await once(child, 'exit');
    return child.exitCode;
  }
  /** Stops the process where it is, until it is told to go on: what is sent to it meanwhile waits. */
  const freeze = (): void => void agent?.kill('SIGSTOP');
  const goOn = (): void => void agent?.kill('SIGCONT');
  // The agent first: it writes into the folder as long as it runs.
  t.after(async () => {
    await kill();
    await hub.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  // What the agent said is what tells why a test failed.
  t.after((context) => {
    if ('passed' in context && context.passed === false) process.stderr.write(output);
  });
  await start();

  async function decide(decision: Decision, options: { timeoutMs?: number }): Promise<void> {
    const { pendingUpdate } = await client.getState();
    if (pendingUpdate === null) throw new Error('nothing is pending');
    await client.confirm(pendingUpdate, decision, options);
  }

  return {
    ...{ folder, root, hub, blobs, cloud, client, start, kill, freeze, goOn, repository },
    get output() {
      return output;
    },
    /** Resolves when the agent has said more. */
    outputGrows: () => new Promise<void>((resolve) => onOutput.once('more', resolve)),
    /** Waits until the agent is in this state, or has passed through it from now on. */
    async reached(state: AgentState): Promise<void> {
      for (;;) {
        const now = await client.getState({ timeoutMs: 60_000 });
        if (now.state === state) return;
        const timeIsOver = AbortSignal.timeout(60_000);
        for await (const { to } of client.stateChanges({ after: now.position, signal: timeIsOver })) {
          if (to === state) return;
        }
      }
    },
    confirm: (options: { timeoutMs?: number } = {}) => decide({ decision: 'confirm', person }, options),
    postpone: (options: { timeoutMs?: number } = {}) =>
      decide({ decision: 'postpone', person, until: new Date(Date.now() + 3_600_000) }, options),
    /** Resolves once the agent, or what it runs, has made this file in the workstation's folder. */
    async made(name: string): Promise<void> {
      const timeIsOver = AbortSignal.timeout(60_000);
      const events = watch(folder, { signal: timeIsOver });
      if (existsSync(inFolder(name))) return;
      for await (const { filename } of events) if (filename === name) return;
    },
    make: (name: string) => writeFileSync(inFolder(name), ''),
    installed: (at = root) => readFileSync(join(at, 'version.txt'), 'utf8').trim(),
    /** The states that the cloud was told of, from the first on. */
    statesTold: () =>
      cloud.messages.all.flatMap(({ payload }) => (payload.case === 'stateChanged' ? [payload.value] : [])),
  };
}

type Payload<K> = Extract<DeviceToCloud['payload'], { case: K }>['value'];

function createCloud(hub: LocalHub, blobs: Blobs, repository: Repository) {
  const messages: Seen<DeviceToCloud> = tapTelemetry(hub);
  const requests: FrameRequest[] = [];
  const offers = new Map<string, () => Promise<unknown>>();
  /** What becomes of the answer to a request; a test may hold frames back. */
  let reply = (frames: Frame[]): Frame[] => frames;
  void messages.find(({ payload }) => {
    if (payload.case === 'offerRequest') void offers.get(payload.value.assignmentId)?.();
    if (payload.case === 'frameRequest') {
      requests.push(payload.value);
      for (const value of reply(answer(blobs, payload.value))) {
        void sendTo(hub, { case: 'frame', value }).catch(() => {});
      }
    }
    return false;
  });

  async function offer(
    pack: TestPack,
    options: { fallback?: ManifestRef; assignmentId?: string; point?: boolean } = {},
  ) {
    const { fallback, assignmentId = randomUUID(), point = true } = options;
    const about = { assignmentId, manifest: pack.ref, ...(fallback && { fallback }) };
    if (point) {
      const pointer = toJson(AssignmentPointerSchema, create(AssignmentPointerSchema, about));
      await hub.engine.twins.update(deviceId, { desired: { assignment: pointer } } as never, {
        replace: false,
      });
    }
    await repository.publish(...[pack.ref, ...(fallback ? [fallback] : [])].map(signedManifest));
    const value = create(UpgradeOfferSchema, {
      ...about,
      metadata: offeredMetadata(repository, blobs),
      transferId: randomUUID(),
      title: pack.title,
      frameSize,
      carriers: [Carrier.BUS],
    });
    const send = () => sendTo(hub, { case: 'upgradeOffer', value }, { traceParent });
    offers.set(assignmentId, send);
    await send();
    return assignmentId;
  }

  return {
    messages,
    requests,
    offer,
    onReply(next: typeof reply) {
      reply = next;
    },
    cancel: (assignmentId: string) =>
      sendTo(hub, {
        case: 'cancel',
        value: { $typeName: 'iotdh.bus.v1.Cancel', assignmentId, reason: 'not now' },
      }),
    async clearPointer() {
      await hub.engine.twins.update(deviceId, { desired: { assignment: null } } as never, { replace: false });
    },
    async said<K extends NonNullable<DeviceToCloud['payload']['case']>>(
      kind: K,
      wanted: (value: Payload<K>) => boolean = () => true,
    ): Promise<DeviceToCloud & { payload: { case: K; value: Payload<K> } }> {
      const found = await messages.find(
        ({ payload }) => payload.case === kind && wanted(payload.value as Payload<K>),
      );
      return found as DeviceToCloud & { payload: { case: K; value: Payload<K> } };
    },
    send: (payload: Parameters<typeof sendTo>[1]) => sendTo(hub, payload),
    /** Resolves once the device has asked for frames so often. */
    async asked(times: number): Promise<void> {
      let count = 0;
      await messages.find(({ payload }) => payload.case === 'frameRequest' && ++count >= times);
    },
    /** Resolves once the device has said that so many bytes of its update count. */
    async counted(bytes: number): Promise<void> {
      await messages.find(
        ({ payload }) => payload.case === 'frameRequest' && payload.value.receivedBytes >= bytes,
      );
    },
    results: (): UpdateResult[] =>
      messages.all.flatMap(({ payload }) => (payload.case === 'updateResult' ? [payload.value] : [])),
  };
}
