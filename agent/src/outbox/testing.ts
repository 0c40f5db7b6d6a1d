/** Messages and clocks for the tests of the outbox. */
import { create, fromBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type DeviceToCloud,
  DeviceToCloudSchema,
  LogBatchSchema,
  OfferRequestSchema,
  TelemetrySchema,
} from '@iotdh/proto/bus/v1';
import type { Clock } from './clock.ts';
import type { Outgoing, Payload } from './outbox.ts';

/** A clock that stands still; `fire` runs what waits for it. */
export function createStillClock(): Clock & { fire(): void } {
  const timers = new Set<() => void>();
  return {
    now: () => 1_700_000_000_000,
    after(_ms, callback) {
      timers.add(callback);
      return () => timers.delete(callback);
    },
    fire() {
      const due = [...timers];
      timers.clear();
      for (const callback of due) callback();
    },
  };
}

/** A message that is never dropped. */
export function request(assignmentId = '7d1f3a52-9a55-4a4e-8f0a-6f0f3f6b2a10'): Payload {
  return { case: 'offerRequest', value: create(OfferRequestSchema, { assignmentId }) };
}

/** So many measurements, with names that make the message about `bytes` long. */
export function telemetry(count: number, bytes = 0): Payload {
  const measurements = Array.from({ length: count }, () => ({
    name: 'a'.repeat(Math.max(1, Math.floor(bytes / count) - 24)),
    time: timestampFromMs(1_700_000_000_000),
    value: 1,
  }));
  return { case: 'telemetry', value: create(TelemetrySchema, { measurements }) };
}

export function logs(count: number, options: { last?: boolean } = {}): Payload {
  const entries = Array.from({ length: count }, () => ({ message: 'x'.repeat(100) }));
  return { case: 'logBatch', value: create(LogBatchSchema, { entries, ...options }) };
}

export const read = ({ body }: Outgoing): DeviceToCloud => fromBinary(DeviceToCloudSchema, body);
