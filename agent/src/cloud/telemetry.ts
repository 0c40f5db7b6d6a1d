/** Measurements of this machine and of the agent, now and then. */
import { totalmem, uptime } from 'node:os';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { MeasurementSchema, TelemetrySchema } from '@iotdh/proto/bus/v1';
import type { Log } from '../log/log.ts';
import type { Tell } from './tell.ts';

export type TelemetryOptions = {
  facts: {
    freeDisk(path: string): Promise<{ bytes: number }>;
    freeMemoryBytes(): Promise<number>;
  };
  /** The folders whose disks matter, by the name that they are reported under. */
  disks: Readonly<Record<string, string>>;
  outbox: { readonly count: number; readonly bytes: number };
  intervalMs: () => number;
  tell: Tell;
  now: () => number;
  after: (ms: number, callback: () => void) => () => void;
  log: Log;
};

export type Telemetry = {
  start(): void;
  /** The interval is another one now; what is left of the one before does not count. */
  intervalChanged(): void;
  stop(): void;
};

export function createTelemetry(options: TelemetryOptions): Telemetry {
  const { facts, disks, outbox, intervalMs, tell, now, after, log } = options;
  let cancel = () => {};
  let stopped = false;
  let measuring = false;

  async function measure(): Promise<void> {
    const time = timestampFromMs(now());
    const one = (name: string, value: number, labels: Record<string, string> = {}) =>
      create(MeasurementSchema, { name, time, value, labels });
    const free = await Promise.all(
      Object.entries(disks).map(async ([disk, path]) =>
        one('disk.free_bytes', (await facts.freeDisk(path)).bytes, { disk }),
      ),
    );
    const measurements = [
      ...free,
      one('memory.free_bytes', await facts.freeMemoryBytes()),
      one('memory.total_bytes', totalmem()),
      one('machine.uptime_seconds', Math.round(uptime())),
      one('agent.uptime_seconds', Math.round(process.uptime())),
      one('agent.memory_bytes', process.memoryUsage.rss()),
      one('outbox.waiting_messages', outbox.count),
      one('outbox.waiting_bytes', outbox.bytes),
    ];
    await tell({ case: 'telemetry', value: create(TelemetrySchema, { measurements }) });
  }

  function next(): void {
    cancel = after(intervalMs(), () => {
      measuring = true;
      measure()
        .catch((error: unknown) =>
          log({ level: 'warn', component: 'telemetry', message: `a measurement failed: ${String(error)}` }),
        )
        .finally(() => {
          measuring = false;
          if (!stopped) next();
        });
    });
  }

  return {
    start: next,
    intervalChanged() {
      // A measurement that is under way begins the next interval itself.
      if (stopped || measuring) return;
      cancel();
      next();
    },
    stop() {
      stopped = true;
      cancel();
    },
  };
}
