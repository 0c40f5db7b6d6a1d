/** What arrives at the built-in Event Hubs endpoint, read and sorted. Nothing that arrives makes this throw. */
import type { ReceivedEventData } from '@azure/event-hubs';
import { type DeviceToCloud, DeviceToCloudSchema } from '@iotdh/proto/bus/v1';
import { createPayloadReader, maxDeviceToCloudBytes, type Violation } from '@iotdh/proto/payload';

/** Where an event stands, and whose it is: the hub says it, so a device cannot speak for another. */
export type Origin = {
  /** `partition/sequence number`. */
  position: string;
  /** Empty: the hub named none. */
  deviceId: string;
  /** By the hub's clock. */
  enqueuedTime: Date;
};

export type Incoming = Origin &
  (
    | { kind: 'message'; message: DeviceToCloud; body: Uint8Array }
    /** The hub says that the device connected or disconnected. */
    | { kind: 'connection'; connected: boolean }
    /** To be set aside. */
    | { kind: 'unreadable'; reason: string; body: Uint8Array }
    /** For others to read. */
    | { kind: 'not-ours'; what: string }
  );

export type ReadIncoming = (event: ReceivedEventData, partitionId: string) => Incoming;

const maxViolations = 5;
/** The hub takes no larger message; what claims to be one is cut. */
const maxKeptBytes = 256 * 1024;

function bytesOf(body: unknown): Uint8Array | undefined {
  if (body instanceof Uint8Array) return body;
  return typeof body === 'string' ? Buffer.from(body) : undefined;
}

function explain(violations: readonly Violation[]): string {
  return violations
    .slice(0, maxViolations)
    .map(({ field, ruleId, message }) => `${field || 'message'}: ${message} [${ruleId}]`)
    .join('; ');
}

/** The kinds that the firmware updater reads. */
const updaters: ReadonlySet<string> = new Set(['frameRequest', 'offerRequest']);

/** Makes the reader; share one, because it compiles the contract's rules. */
export function createReadIncoming(): ReadIncoming {
  const read = createPayloadReader(DeviceToCloudSchema, { maxBytes: maxDeviceToCloudBytes });

  return (event, partitionId) => {
    const annotations = event.systemProperties ?? {};
    const text = (name: string) => String(annotations[name] ?? '');
    const origin: Origin = {
      position: `${partitionId}/${event.sequenceNumber}`,
      deviceId: text('iothub-connection-device-id') || String(event.properties?.deviceId ?? ''),
      enqueuedTime: event.enqueuedTimeUtc,
    };
    const source = text('iothub-message-source');
    if (source === 'deviceConnectionStateEvents') {
      return {
        ...origin,
        kind: 'connection',
        connected: event.properties?.opType === 'deviceConnected',
      };
    }
    if (source !== '' && source !== 'Telemetry') return { ...origin, kind: 'not-ours', what: source };
    const body = bytesOf(event.body);
    const kept = (body ?? Buffer.alloc(0)).subarray(0, maxKeptBytes);
    const unreadable = (reason: string): Incoming => ({ ...origin, kind: 'unreadable', reason, body: kept });
    if (body === undefined) return unreadable('the body is not one section of bytes');
    const payload = read(body);
    switch (payload.kind) {
      case 'too-large':
        return unreadable(`the body has ${payload.bytes} bytes, more than ${payload.maxBytes}`);
      case 'malformed':
        return unreadable('the body is not an encoded DeviceToCloud');
      case 'invalid':
        return unreadable(explain(payload.violations));
      case 'valid': {
        const { message } = payload;
        const what = message.payload.case ?? '';
        if (updaters.has(what)) return { ...origin, kind: 'not-ours', what };
        return { ...origin, kind: 'message', message, body };
      }
    }
  };
}
