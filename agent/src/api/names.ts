/** The machine's names and the contract's: states, events and digests, each in both notations. */
import { Event, State } from '@iotdh/proto/agent/v1';
import type { EventName, State as StateName } from '../machine/table.ts';

export const stateOf = (name: StateName): State => State[name];

/** The table writes events in lower case. */
export const eventOf = (name: EventName): Event => Event[name.toUpperCase() as Uppercase<EventName>];

/** SHA-256 from hex, as long as the contract wants it: 32 bytes. */
export function digestFromHex(hex: string): Uint8Array<ArrayBuffer> {
  const digest = new Uint8Array(32);
  digest.set(Buffer.from(hex, 'hex').subarray(0, 32));
  return digest;
}

export const hexFromDigest = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');
