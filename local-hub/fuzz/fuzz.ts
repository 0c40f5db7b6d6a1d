/**
 * One fuzz run: malformed clients in their thousands, while a healthy device works on. It fails when the hub ends, when a connection
 * is left open, when the healthy device is disturbed, or when memory grows without bound.
 */
import { type Driven, drive, FuzzFailure } from './drive.ts';
import { connectHealthyDevice } from './healthy-device.ts';
import type { Target } from './target.ts';

export type FuzzOptions = {
  target: Target;
  seed: number;
  /** Index of the first input, to replay a failure. Default 0. */
  first?: number;
  inputs: number;
  /** Clients at a time. Default 400. */
  concurrency?: number;
  closeWithinMs?: number;
  onProgress?: (done: number) => void;
};

export type FuzzReport = Driven & { roundTrips: number; growthBytes: number };

/** A round trip of the healthy device after so many inputs. */
const inputsPerRoundTrip = 100;
const heartbeatMs = 500;

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { target, seed, inputs, closeWithinMs = 20_000 } = options;
  const device = await connectHealthyDevice({
    hostName: target.knowledge.hostName,
    ...target.healthy,
    open: () => target.open('mqtt'),
    patienceMs: closeWithinMs,
  });
  await device.roundTrip();
  const idle = await target.connections();

  let disturbed: unknown;
  let trip: Promise<void> | undefined;
  const startTrip = (): void => {
    trip ??= device
      .roundTrip()
      .catch((error: unknown) => {
        disturbed = error;
      })
      .finally(() => {
        trip = undefined;
      });
  };
  // Also when the inputs take their time: a hub ends clients that are silent for too long.
  const heartbeat = setInterval(startTrip, heartbeatMs);
  let startBytes = 0;
  const warmUp = Math.ceil(inputs / 10);

  function check(done: number): void {
    if (disturbed !== undefined) throw disturbed;
    const ended = target.ended();
    if (ended !== undefined) throw new FuzzFailure(`the hub ended with ${ended}`);
    if (done % inputsPerRoundTrip === 0) startTrip();
    options.onProgress?.(done);
  }

  const { knowledge, open } = target;
  const common = {
    seed,
    knowledge,
    open,
    closeWithinMs,
    concurrency: options.concurrency ?? 400,
    lingering: target.lingering,
  };
  const first = options.first ?? 0;
  const warm = await drive({ ...common, first, inputs: warmUp, check });
  await untilIdle(target, idle, closeWithinMs);
  startBytes = await target.memoryBytes();
  const rest = await drive({
    ...common,
    first: first + warmUp,
    inputs: inputs - warmUp,
    check: (done) => check(warmUp + done),
  });
  clearInterval(heartbeat);
  await trip;
  if (disturbed !== undefined) throw disturbed;
  await device.roundTrip();
  device.close();
  await untilIdle(target, idle, closeWithinMs);
  const growthBytes = (await target.memoryBytes()) - startBytes;
  if (growthBytes > target.maxGrowthBytes) throw new FuzzFailure(`memory grew by ${growthBytes} bytes`);
  return { ...sum(warm, rest), roundTrips: device.roundTrips, growthBytes };
}

/** The hub forgets every connection that is gone: no front-end has more than it had `idle`. */
async function untilIdle(target: Target, idle: Record<string, number>, patienceMs: number): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const now = await target.connections();
    if (Object.entries(now).every(([protocol, count]) => count <= (idle[protocol] ?? 0))) return;
    if (performance.now() > deadline) {
      throw new FuzzFailure(
        `the hub still has connections ${JSON.stringify(now)}, of which ${JSON.stringify(idle)} are alive`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function sum(one: Driven, other: Driven): Driven {
  const byProtocol = { ...one.byProtocol };
  for (const protocol of Object.keys(byProtocol) as (keyof typeof byProtocol)[]) {
    byProtocol[protocol] += other.byProtocol[protocol];
  }
  return {
    inputs: one.inputs + other.inputs,
    bytes: one.bytes + other.bytes,
    byProtocol,
    closedByHub: one.closedByHub + other.closedByHub,
  };
}
