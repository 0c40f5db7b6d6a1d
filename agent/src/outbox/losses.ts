/** Which messages may be dropped, how much is lost with one, and how the next of its kind says so. */
import type { Losses, Payload } from './outbox.ts';

/** What is lost when this message is dropped, in lines or measurements; 0 for a message that is never dropped. */
export function lossOf(payload: Payload): number {
  switch (payload.case) {
    case 'telemetry':
      return payload.value.measurements.length + Number(payload.value.dropped);
    case 'logBatch':
      // Without its last batch a collection would never end.
      return payload.value.last ? 0 : payload.value.entries.length + Number(payload.value.dropped);
    default:
      return 0;
  }
}

/** Which count a message of this kind adds to and reports. */
export function lossName(kind: string): keyof Losses | undefined {
  if (kind === 'telemetry') return 'measurements';
  if (kind === 'logBatch') return 'logLines';
  return undefined;
}

/** The payload with what was lost before it added to its count. */
export function withLosses(payload: Payload, losses: Losses): Payload {
  if (payload.case === 'telemetry' && losses.measurements > 0) {
    const dropped = payload.value.dropped + BigInt(losses.measurements);
    return { case: payload.case, value: { ...payload.value, dropped } };
  }
  if (payload.case === 'logBatch' && losses.logLines > 0) {
    const dropped = payload.value.dropped + BigInt(losses.logLines);
    return { case: payload.case, value: { ...payload.value, dropped } };
  }
  return payload;
}
