/**
 * A workstation without a machine: it enrols, connects and reports as the contract says, by the agent's own enrolment, bus and
 * outbox, and goes from one examination to the next. It takes no updates.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  Event,
  HoldSchema,
  InstalledProductSchema,
  ProductKind,
  State,
  StateChangedSchema,
  StateSnapshotSchema,
} from '@iotdh/proto/agent/v1';
import { HelloReason, HelloSchema, MeasurementSchema, TelemetrySchema } from '@iotdh/proto/bus/v1';
import { OperatingSystem } from '@iotdh/proto/update/v1';
import { createAzureBus } from '../../agent/src/bus/azure-bus.ts';
import { enrol } from '../../agent/src/enrolment/enrol.ts';
import { openIdentity } from '../../agent/src/enrolment/identity.ts';
import { openOutbox } from '../../agent/src/outbox/open-outbox.ts';

export type SimulatedWorkstationOptions = {
  /** What it keeps; `token` in it is its enrolment token. */
  folder: string;
  brokerUrl: string;
  /** The authority of broker and hub. */
  caPem: string;
  clock: { now(): number; after(ms: number, callback: () => void): () => void };
  random: () => number;
  log(line: string): void;
};

/** An examination, and the time between two, in ms; each up to twice as long. */
const stayMs = 4_000;
const telemetryIntervalMs = 5_000;

/** Runs until the signal aborts. */
export async function runSimulatedWorkstation(
  options: SimulatedWorkstationOptions,
  signal: AbortSignal,
): Promise<void> {
  const { folder, brokerUrl, caPem, clock, random, log } = options;
  const sleep = (ms: number, until: AbortSignal) =>
    new Promise<void>((resolve) => {
      const end = () => {
        cancel();
        until.removeEventListener('abort', end);
        resolve();
      };
      const cancel = clock.after(ms, end);
      until.addEventListener('abort', end);
    });
  mkdirSync(folder, { recursive: true });
  const identity = await enrol({
    ...{ brokerUrl, caPem, sleep, random, signal, now: clock.now },
    tokenFile: join(folder, 'token'),
    identity: openIdentity(join(folder, 'identity')),
    onAttemptFailed: ({ reason }) => log(`not enrolled: ${reason}`),
  });
  if (identity === null) return;

  const { outbox } = openOutbox({ path: join(folder, 'outbox.db'), clock });
  const { deviceId, hubHost: hostName, certificatePem: cert, keyPem: key } = identity;
  const bus = createAzureBus({
    credentials: { kind: 'x509', hostName, deviceId, cert, key },
    outgoing: outbox,
    receivers: {},
    onAssignment: () => {},
    routeMemory: { read: () => undefined, write: () => {} },
    ...{ clock, random },
    notes: ({ level, what, detail = '' }) => {
      if (level === 'warn') log(`${deviceId}: ${what} ${detail}`);
    },
    routes: ['mqtt'],
    sdk: { ca: caPem },
  });
  bus.start();

  let state: State = State.BUSY as State;
  let sequence = 0n;
  const now = () => timestampFromMs(clock.now());
  const snapshot = () =>
    create(StateSnapshotSchema, {
      ...{ journalId: outbox.journalId, sequence, state, stateTime: now() },
      holds: state === State.BUSY ? [create(HoldSchema, { reason: {}, startTime: now() })] : [],
    });
  const installed = (kind: ProductKind, product: string, version: string) =>
    create(InstalledProductSchema, { kind, product: { product, version } });
  const hello = create(HelloSchema, {
    reason: HelloReason.STARTED,
    agentVersion: '0.0.0-simulated',
    platform: { operatingSystem: OperatingSystem.LINUX, model: 'simulated' },
    snapshot: snapshot(),
    inventory: [
      installed(ProductKind.AGENT, 'IoT Agent', '0.0.0-simulated'),
      installed(ProductKind.HOST_APPLICATION, 'dcm2niix', '1.0.20260416'),
    ],
    maxBusVersion: 1,
  });
  await outbox.put({ case: 'hello', value: hello });

  async function move(): Promise<void> {
    const busy = state === State.BUSY;
    const to = busy ? State.READY : State.BUSY;
    const event = busy ? Event.SDK_CMDREADY : Event.SDK_CMDBUSY;
    sequence += 1n;
    const change = { sequence, from: state, to, event, time: now() };
    const reason = busy ? '' : 'procedure';
    state = to;
    await outbox.put({ case: 'stateChanged', value: create(StateChangedSchema, { ...change, reason }) });
  }

  async function measure(): Promise<void> {
    const measurement = (name: string, value: number) =>
      create(MeasurementSchema, { name, value, time: now() });
    const measurements = [
      measurement('memory.free_bytes', Math.round(4e9 + 1e9 * random())),
      measurement('room.temperature_celsius', 19 + 4 * random()),
    ];
    await outbox.put({ case: 'telemetry', value: create(TelemetrySchema, { measurements }) });
  }

  async function repeat(action: () => Promise<void>, intervalMs: () => number): Promise<void> {
    while (!signal.aborted) {
      await action();
      await sleep(intervalMs(), signal);
    }
  }

  try {
    await Promise.all([
      repeat(move, () => stayMs * (1 + random())),
      repeat(measure, () => telemetryIntervalMs),
    ]);
  } finally {
    await bus.stop();
    await outbox.close();
  }
}
