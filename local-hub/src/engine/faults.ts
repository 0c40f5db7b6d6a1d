/**
 * Fault injection: what a test or a curious developer asks to go wrong next. Front-ends ask `take` at the right points;
 * `kick` and `cut-link` are presence's, `throttle` the throttles', `restart` the hub's.
 */
import { HubError } from './error.ts';
import type { LinkProtocol } from './session.ts';

const kinds = [
  'drop-acknowledgement',
  'delay',
  'lose-twin-reply',
  'kick',
  'cut-link',
  'throttle',
  'restart',
] as const;
const protocols = ['mqtt', 'mqtt-ws', 'amqp', 'amqp-ws', 'http'] as const satisfies (LinkProtocol | 'http')[];

export type FaultKind = (typeof kinds)[number];
export type FaultProtocol = (typeof protocols)[number];

export type Fault = {
  kind: FaultKind;
  /** Undefined: any device. */
  deviceId?: string | undefined;
  /** Undefined: any protocol. Not for `throttle` and `restart`, which know of none. */
  protocol?: FaultProtocol | undefined;
  /** How many times it happens: 1 (default) to 1,000,000. */
  count?: number | undefined;
  /** How long `delay` delays, or how long the others wait before they happen: 0 (default) to 600,000 ms. */
  delayMs?: number | undefined;
};

/** A fault that is still to happen `remaining` times. */
export type PendingFault = Fault & { id: string; remaining: number };

export type Faults = {
  /** Checks and keeps a fault, given as it came from outside. Returns its id. Throws HubError `ArgumentInvalid`. */
  inject(fault: unknown): string;
  list(): PendingFault[];
  /** Forgets one, or all without an id. Returns how many there were. */
  clear(id?: string): number;
  /** The oldest fault that shall happen now, counted down; undefined (and quick) when there is none. */
  take(kind: FaultKind, deviceId?: string, protocol?: FaultProtocol): PendingFault | undefined;
  /** Calls back after each injection, for those who start faults by themselves. Returns the way to stop. */
  onInject(listener: (fault: PendingFault) => void): () => void;
};

const maxPending = 1000;
const maxCount = 1_000_000;
const maxDelayMs = 600_000;
const fields = ['kind', 'deviceId', 'protocol', 'count', 'delayMs'];

function invalid(problem: string): HubError {
  return new HubError('ArgumentInvalid', `The fault was not injected: ${problem}`);
}

function checkInteger(name: string, value: unknown, min: number, max: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalid(`${name} must be a whole number from ${min} to ${max}`);
}

function checkChoice<T extends string>(name: string, value: unknown, choices: readonly T[]): T {
  const choice = choices.find((each) => each === value);
  if (choice === undefined) throw invalid(`${name} must be one of ${choices.join(', ')}`);
  return choice;
}

/** Checks a fault from outside. Throws HubError `ArgumentInvalid`, naming the field. */
function checkFault(input: unknown): Fault {
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    throw invalid('it must be an object');
  const given: Record<string, unknown> = { ...input };
  const unknownField = Object.keys(given).find((name) => !fields.includes(name));
  if (unknownField !== undefined) {
    throw invalid(`it has an unknown field "${unknownField.slice(0, 40)}"; there are ${fields.join(', ')}`);
  }
  const { deviceId } = given;
  if (
    deviceId !== undefined &&
    (typeof deviceId !== 'string' || deviceId.length === 0 || deviceId.length > 128)
  ) {
    throw invalid('deviceId must be text of 1 to 128 characters, or be left out for any device');
  }
  const kind = checkChoice('kind', given.kind, kinds);
  const delayMs = checkInteger('delayMs', given.delayMs, 0, maxDelayMs);
  if (kind === 'delay' && delayMs === undefined) throw invalid('a delay needs delayMs');
  if (given.protocol !== undefined && (kind === 'throttle' || kind === 'restart')) {
    throw invalid(`a ${kind} happens in the hub, whatever the protocol; leave protocol out`);
  }
  return {
    kind,
    deviceId,
    protocol: given.protocol === undefined ? undefined : checkChoice('protocol', given.protocol, protocols),
    count: checkInteger('count', given.count, 1, maxCount),
    delayMs,
  };
}

/** Creates the list of pending faults. It is not durable: a restart clears it. */
export function createFaults(): Faults {
  const pending = new Map<string, PendingFault>();
  const listeners = new Set<(fault: PendingFault) => void>();
  let lastId = 0;

  return {
    inject(input) {
      const fault = checkFault(input);
      if (pending.size >= maxPending)
        throw invalid(`${maxPending} faults are pending already. Clear some first`);
      lastId += 1;
      const kept = { ...fault, id: String(lastId), remaining: fault.count ?? 1 };
      pending.set(kept.id, kept);
      for (const listener of listeners) listener(kept);
      return kept.id;
    },
    list: () => [...pending.values()].map((fault) => ({ ...fault })),
    clear(id) {
      if (id !== undefined) return pending.delete(id) ? 1 : 0;
      const count = pending.size;
      pending.clear();
      return count;
    },
    take(kind, deviceId, protocol) {
      if (pending.size === 0) return undefined;
      for (const fault of pending.values()) {
        if (fault.kind !== kind) continue;
        if (fault.deviceId !== undefined && fault.deviceId !== deviceId) continue;
        if (fault.protocol !== undefined && fault.protocol !== protocol) continue;
        fault.remaining -= 1;
        if (fault.remaining === 0) pending.delete(fault.id);
        return fault;
      }
      return undefined;
    },
    onInject(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
