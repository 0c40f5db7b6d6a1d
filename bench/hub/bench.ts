/** The local hub against the bare peer, turn by turn, so that a machine that slows down slows both. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCertificates } from '../../local-hub/src/certificates.ts';
import { silentLog } from '../../local-hub/src/diagnostics.ts';
import type { Bench } from '../bench.ts';
import { startWorker, type Worker } from '../processes.ts';
import { median, type Row } from '../results.ts';
import { cloudToDevicePerSecond, connectionCost, deviceToCloudPerSecond } from './measure.ts';
import type { ServerAddress } from './server-process.ts';

export type HubBenchOptions = {
  rounds: number;
  /** C2D messages per round and their size. */
  cloudToDevice: { count: number; bytes: number };
  /** D2C messages per round and their size. */
  deviceToCloud: { count: number; bytes: number };
  /** Idle connections; weighed once on each server, since memory does not depend on how busy the machine is. */
  connections: number;
  progress: (line: string) => void;
};

type Server = { address: ServerAddress; process: Worker; stop(): Promise<void> };

async function start(server: 'hub' | 'bare', deviceCount: number): Promise<Server> {
  const dataDir = await mkdtemp(join(tmpdir(), `iotdh-bench-${server}-`));
  await openCertificates({
    directory: join(dataDir, 'certificates'),
    hostNames: [],
    log: silentLog,
    now: Date.now,
  });
  const process = startWorker(join(import.meta.dirname, 'server-process.ts'), {
    nodeArguments: ['--expose-gc'],
  });
  const address = await process.ask<ServerAddress>({ kind: 'start', server, dataDir, deviceCount });
  return {
    address,
    process,
    async stop() {
      await process.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Runs one measurement `rounds` times on each server, fresh servers each time, and answers the medians. */
async function compare(
  options: Pick<HubBenchOptions, 'rounds' | 'progress'>,
  name: string,
  deviceCount: number,
  measure: (server: Server) => Promise<number>,
): Promise<{ hub: number; bare: number; ratio: number }> {
  const figures: { hub: number[]; bare: number[] } = { hub: [], bare: [] };
  for (let round = 0; round < options.rounds; round += 1) {
    for (const kind of ['bare', 'hub'] as const) {
      const server = await start(kind, deviceCount);
      try {
        const figure = await measure(server);
        figures[kind].push(figure);
        options.progress(`${name}, round ${round + 1} of ${options.rounds}, ${kind}: ${Math.round(figure)}`);
      } finally {
        await server.stop();
      }
    }
  }
  const ratios = figures.hub.map((figure, index) => figure / (figures.bare[index] ?? Number.NaN));
  return { hub: median(figures.hub), bare: median(figures.bare), ratio: median(ratios) };
}

/** All measurements of the local hub as rows of the results table. */
export async function benchHub(options: HubBenchOptions): Promise<Row[]> {
  const { cloudToDevice, deviceToCloud, connections } = options;
  const c2d = await compare(options, 'C2D messages/s', 1, ({ address }) =>
    cloudToDevicePerSecond(address, cloudToDevice.count, cloudToDevice.bytes),
  );
  const load = { ...deviceToCloud, body: 'binary', inFlight: 100 } as const;
  const fleet = await compare(options, 'D2C messages/s of 8 devices', 8, ({ address }) =>
    deviceToCloudPerSecond(address, { ...load, devices: 8 }),
  );
  const single = await compare(options, 'D2C messages/s of 1 device', 1, ({ address }) =>
    deviceToCloudPerSecond(address, { ...load, devices: 1 }),
  );
  const rates: number[] = [];
  const once = { ...options, rounds: 1 };
  const memory = await compare(once, 'bytes/connection', connections, async ({ address, process }) => {
    const cost = await connectionCost(address, process);
    rates.push(cost.connectionsPerSecond);
    return cost.bytesPerConnection;
  });
  const perSecond = (figure: number): string => `${Math.round(figure)}/s`;
  const kilobytes = (figure: number): string => `${(figure / 1000).toFixed(1)} KB`;
  return [
    {
      what: `C2D of ${cloudToDevice.bytes} B, service SDK → server → device SDK (MQTT)`,
      ours: perSecond(c2d.hub),
      peer: perSecond(c2d.bare),
      ratio: c2d.ratio,
      goal: '≥ 0.8',
    },
    {
      what: `D2C of ${deviceToCloud.bytes} B, 8 devices (device SDK, MQTT), 100 in flight each`,
      ours: perSecond(fleet.hub),
      peer: perSecond(fleet.bare),
      ratio: fleet.ratio,
      goal: '≥ 0.8',
    },
    {
      what: `the same from 1 device, which waits for the disk as the peer need not`,
      ours: perSecond(single.hub),
      peer: perSecond(single.bare),
      ratio: single.ratio,
      goal: '≥ 0.8',
    },
    {
      what: `memory per connection, ${connections} idle MQTT connections over TLS (accepted at ${perSecond(median(rates))})`,
      ours: kilobytes(memory.hub),
      peer: kilobytes(memory.bare),
      ratio: memory.ratio,
      goal: 'ours < 60 KB',
    },
  ];
}

export const hubBench: Bench = {
  title: 'Local hub',
  peer: 'mqtt-packet and rhea over the same TLS, nothing kept, everything acknowledged at once',
  run: ({ rounds, quick, progress }) =>
    benchHub({
      ...{ rounds, progress },
      cloudToDevice: { count: quick ? 100 : 3_000, bytes: 61_440 },
      deviceToCloud: { count: quick ? 500 : 20_000, bytes: 512 },
      connections: quick ? 50 : 5_000,
    }),
};
