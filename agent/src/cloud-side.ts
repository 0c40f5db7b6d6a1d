/** What the cloud is told and what it says, composed. */
import { join } from 'node:path';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { ApiServer } from './api/server.ts';
import type { Receivers } from './bus/bus.ts';
import { type Assignments, createAssignments } from './cloud/assignments.ts';
import { openCommandOrder } from './cloud/command-order.ts';
import { type KeptConfiguration, openConfiguration } from './cloud/configuration.ts';
import { createHello, type Hello } from './cloud/hello.ts';
import { collectLogs } from './cloud/log-collection.ts';
import { createLogShipping, type LogShipping } from './cloud/log-shipping.ts';
import { shipMoves } from './cloud/move-shipping.ts';
import { createOffers, type Offers } from './cloud/offers.ts';
import { createTelemetry } from './cloud/telemetry.ts';
import { createTell, type Tell } from './cloud/tell.ts';
import type { Withdrawal } from './cloud/withdrawal.ts';
import type { ReplaceableBus } from './connections/replaceable-bus.ts';
import type { TransferPort } from './effects/transfer-port.ts';
import type { Inventory } from './inventory/inventory.ts';
import type { MachineFacts } from './inventory/machine-facts.ts';
import { openKeptLines } from './log/kept-lines.ts';
import type { Log } from './log/log.ts';
import type { Machine } from './machine/machine.ts';
import type { Runner } from './machine/runner.ts';
import type { State } from './machine/table.ts';
import type { Update } from './machine/update.ts';
import type { Settings } from './settings/settings.ts';
import type { Stores } from './stores.ts';
import type { Clock } from './transfer/clock.ts';

export type CloudSideOptions = {
  settings: Settings;
  version: string;
  stores: Stores;
  machine: Machine;
  runner: Runner;
  server: ApiServer;
  bus: ReplaceableBus;
  facts: MachineFacts;
  inventory: Inventory;
  pending: () => Update | null;
  withdrawal: Withdrawal;
  transfer: TransferPort;
  appliedDigest: () => string;
  evidenceKey: () => Uint8Array<ArrayBuffer>;
  onOfferedAgain: (updateId: string) => void;
  /** The machine is in another state, or has been in this one since before the start. */
  onMoved: (state: State) => void;
  clock: Clock;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  log: Log;
  onDamaged: (path: string) => void;
  onFailure: (error: unknown) => void;
  signal: AbortSignal;
};

export type CloudSide = {
  readonly tell: Tell;
  readonly receivers: Receivers;
  readonly assignments: Assignments;
  readonly configuration: KeptConfiguration;
  readonly hello: Hello;
  readonly logs: LogShipping;
  readonly offers: Offers;
  start(): void;
  stop(): Promise<void>;
};

export function createCloudSide(options: CloudSideOptions): CloudSide {
  const { settings, stores, machine, runner, server, bus, facts, inventory, pending, withdrawal, transfer } =
    options;
  const { clock, sleep, log, onDamaged, onFailure, signal, onMoved } = options;
  const { now, after } = clock;
  const { outbox, updates, journal } = stores;
  const { snapshot } = machine;
  const inData = (name: string) => join(settings.dataDir, name);

  const tell = createTell({ outbox, log });
  const configuration = openConfiguration(inData('configuration.json'), {
    defaults: { ...settings, ...settings.api, frameWindow: 32 },
    onDamaged,
  });
  const kept = openKeptLines(inData('logs'), { maxBytes: settings.keptLogBytes });
  const logs = createLogShipping({
    ...{ spool: server.log, kept, tell, after, onFailure },
    least: () => configuration.now.minLogLevel,
  });
  const hello = createHello({
    ...{ agentVersion: options.version, inventory, tell, bus, after, now, log },
    snapshot: () => server.snapshot(),
    appliedDigest: options.appliedDigest,
    evidenceKey: options.evidenceKey,
  });
  const telemetry = createTelemetry({
    ...{ facts, outbox, tell, now, after, log },
    disks: { data: settings.dataDir },
    intervalMs: () => configuration.now.telemetryIntervalMs,
  });
  const assignments = createAssignments({ updates, snapshot, pending, bus, withdrawal, after, log });
  const offers = createOffers({
    ...{ updates, snapshot, pending, withdrawal, log },
    submit: (event) => runner.submit(event),
    pointedAt: assignments.pointedAt,
    onOfferedAgain: options.onOfferedAgain,
  });

  async function cancel(assignmentId: string, reason: string): Promise<void> {
    const record = updates
      .all()
      .find(({ offer, baseOffer }) => [offer.assignmentId, baseOffer?.assignmentId].includes(assignmentId));
    const about = { assignment_id: assignmentId };
    if (record === undefined) {
      return log({ level: 'info', component: 'offers', message: 'what is cancelled is not here', about });
    }
    await withdrawal.withdraw(record.offer.assignmentId, 'cancelled', reason || 'cancelled by the backend');
  }

  const order = openCommandOrder(inData('commands.json'), { log, onDamaged });
  const receivers: Receivers = {
    frame: ({ payload }) => transfer.onFrame(payload.value),
    transferRefused: ({ payload, time }) =>
      transfer.onRefused(payload.value, time === undefined ? now() : timestampMs(time)),
    upgradeOffer: order.once(offers.take),
    cancel: order.once(async ({ payload }) => {
      await cancel(payload.value.assignmentId, payload.value.reason);
      return 'acted';
    }),
    collectLogs: order.once(async ({ payload }) =>
      (await collectLogs(payload.value, { kept, tell, log })) ? 'acted' : 'later',
    ),
    configuration: order.once(async ({ payload }) => {
      configuration.apply(payload.value);
      telemetry.intervalChanged();
      log({ level: 'info', component: 'commands', message: 'the configuration has changed' });
      return 'acted';
    }),
  };

  async function followMoves(): Promise<void> {
    const cursor = machine.cursor();
    onMoved(snapshot().state);
    for await (const item of machine.changes(cursor, signal)) {
      if (item.kind === 'changed') onMoved(item.change.to);
    }
  }

  return {
    ...{ tell, receivers, assignments, configuration, hello, logs, offers },
    start() {
      hello.start();
      telemetry.start();
      logs.onLines();
      bus.onLink(({ kind }) => {
        if (kind === 'open') transfer.onLinkOpen();
      });
      followMoves().catch(onFailure);
      shipMoves(
        {
          ...{ journal, tell, sleep, onDamaged, moves: machine.changes, traceOf: updates.traceOf },
          path: inData('shipped.json'),
          recordOf: (move) => server.records.of([move])[0],
        },
        signal,
      ).catch(onFailure);
    },
    async stop() {
      hello.stop();
      telemetry.stop();
      assignments.stop();
      await logs.stop();
    },
  };
}
