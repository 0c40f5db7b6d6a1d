/**
 * The D2C Listener against a bare consumer that writes the same documents in bulk: it recognises no duplicates, uses no transaction and
 * checks no contract. Both read the same events of the same hub into fresh databases of one server, turn by turn.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createD2cListener } from '../../backend/services/d2c-listener/d2c-listener.ts';
import {
  createJournal,
  deviceDocument,
  encode,
} from '../../backend/services/d2c-listener/testing/samples.ts';
import { systemClock } from '../../backend/shared/clock.ts';
import { type Database, openDatabase } from '../../backend/shared/database/connect.ts';
import { ensureIndexes } from '../../backend/shared/database/indexes.ts';
import { startEmbeddedDatabase } from '../../backend/shared/embedded-database/start.ts';
import { silentLog } from '../../backend/shared/log.ts';
import { createMetrics } from '../../backend/shared/metrics.ts';
import { createTracing } from '../../backend/shared/tracing.ts';
import { trustAuthority } from '../../backend/shared/trust.ts';
import { createLocalHub, type LocalHub } from '../../local-hub/src/index.ts';
import type { Bench, RunOptions } from '../bench.ts';
import { median, type Row } from '../results.ts';
import { bareConsumer } from './bare-consumer.ts';

/** What one reader of all events is given. */
export type Reader = {
  database: Database;
  connectionString: string;
  consumerGroup: string;
  storage: string;
  container: string;
  events: number;
  maxBatchSize: number;
  loadBalancing: { strategy: 'greedy'; updateIntervalInMs: number };
};

const deviceIds = ['w1', 'w2', 'w3', 'w4'];
const pointsEach = 10;
const linesEach = 10;

/** What a fleet says on an ordinary day, measurements and lines of logs in turn, put into the hub's log directly. */
async function fill(hub: LocalHub, events: number): Promise<void> {
  const journals = deviceIds.map((deviceId) => ({ deviceId, journal: createJournal() }));
  for (let n = 0; n < events; n += 1) {
    const { deviceId, journal } = journals[n % journals.length]!;
    const message = n % 8 < 4 ? journal.telemetry(pointsEach) : journal.logs(linesEach);
    const auth = {
      deviceId,
      generationId: '1',
      authMethod: { scope: 'device', type: 'sas', issuer: 'iothub' },
    } as const;
    const system = { messageId: message.messageId };
    await hub.engine.telemetry.append({
      deviceId,
      auth,
      message: { body: encode(message), system, properties: {} },
    });
  }
}

async function ourConsumer(reader: Reader): Promise<{ done: Promise<void>; stop(): Promise<void> }> {
  const metrics = createMetrics({ service: 'd2c-listener' });
  const all = Promise.withResolvers<void>();
  const service = createD2cListener({
    database: reader.database,
    events: {
      connectionString: reader.connectionString,
      consumerGroup: reader.consumerGroup,
      maxBatchSize: reader.maxBatchSize,
      loadBalancing: reader.loadBalancing,
    },
    checkpoints: { connectionString: reader.storage, container: reader.container },
    log: silentLog,
    metrics,
    tracing: createTracing({ service: 'd2c-listener' }),
    clock: systemClock,
    failPoints: {
      async committed() {
        const { logLines, telemetry } = reader.database.collections;
        // Arrived first, so that the database is asked once, at the end.
        const kinds = ['telemetry', 'logBatch'];
        const counts = await Promise.all(kinds.map((kind) => metrics.valueOf('d2c_events_total', { kind })));
        if (counts.reduce<number>((sum, count) => sum + (count ?? 0), 0) < reader.events) return;
        const half = reader.events / 2;
        const [points, lines] = [await telemetry.countDocuments(), await logLines.countDocuments()];
        if (points === half * pointsEach && lines === half * linesEach) all.resolve();
      },
    },
  });
  await service.start();
  return { done: all.promise, stop: service.stop };
}

/** Events per second from the start to the last commit. */
async function measure(
  start: typeof ourConsumer,
  reader: Omit<Reader, 'database'>,
  uri: string,
): Promise<number> {
  const database = openDatabase({ uri, name: `bench-${randomUUID()}`, appName: 'bench' });
  try {
    await ensureIndexes(database.db);
    await database.collections.devices.insertMany(deviceIds.map((id) => deviceDocument(id)));
    const begin = performance.now();
    const running = await start({ ...reader, database });
    await running.done;
    const seconds = (performance.now() - begin) / 1000;
    await running.stop();
    return reader.events / seconds;
  } finally {
    await database.db.dropDatabase();
    await database.close();
  }
}

/** The measurements of the backend as rows of the results table. */
async function benchBackend({ rounds, quick, progress }: RunOptions): Promise<Row[]> {
  const events = quick ? 64 : 2_000;
  const readers = { bare: bareConsumer, ours: ourConsumer };
  const names = ['bare', 'ours'] as const;
  const hub = await createLocalHub({
    sku: 'off',
    storage: { azuritePort: 0 },
    consumerGroups: [...names],
    partitions: 2,
  });
  trustAuthority(hub.caPem);
  const server = await startEmbeddedDatabase({
    folder: await mkdtemp(join(tmpdir(), 'iotdh-bench-database-')),
    temporary: true,
  });
  const figures: Record<(typeof names)[number], number[]> = { bare: [], ours: [] };
  try {
    await fill(hub, events);
    for (let round = 0; round < rounds; round += 1) {
      for (const name of names) {
        const figure = await measure(
          readers[name],
          {
            connectionString: hub.eventHubConnectionString(),
            consumerGroup: name,
            storage: hub.storageConnectionString ?? '',
            container: `bench-${randomUUID()}`,
            events,
            maxBatchSize: 256,
            loadBalancing: { strategy: 'greedy', updateIntervalInMs: 1_000 },
          },
          server.uri,
        );
        figures[name].push(figure);
        progress(`events/s, round ${round + 1} of ${rounds}, ${name}: ${Math.round(figure)}`);
      }
    }
  } finally {
    await hub.stop();
    await server.stop();
  }
  const perSecond = (list: number[]): string => `${Math.round(median(list))}/s`;
  return [
    {
      what: `D2C Listener, ${events} messages of ${pointsEach} measurements or ${linesEach} lines of logs, to durable and checkpointed`,
      ours: perSecond(figures.ours),
      peer: perSecond(figures.bare),
      ratio: median(figures.ours.map((figure, index) => figure / (figures.bare[index] ?? Number.NaN))),
      goal: '≥ 0.8',
    },
  ];
}

export const backendBench: Bench = {
  title: 'D2C Listener',
  peer: 'a bare EventHubConsumerClient that writes the same measurements and lines in bulk and moves its checkpoint after each batch: no duplicates recognised, no transaction, no contract checked',
  run: benchBackend,
};
