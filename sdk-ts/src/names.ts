/** The contract's names and digests as text. What a newer agent sends and this SDK does not know is `UNKNOWN`. */
import { Activity as ActivityValue, Event, State } from './proto.ts';
import type { Activity, AgentEvent, AgentState } from './types.ts';

const reversed = <T extends string>(names: Record<T, number>): Map<number, T> =>
  new Map((Object.entries(names) as [T, number][]).map(([name, value]) => [value, name]));

const states = reversed(State);
const events = reversed(Event);
const activities = reversed(ActivityValue);

export function nameOfState(state: State): AgentState {
  const name = states.get(state) ?? 'UNSPECIFIED';
  return name === 'UNSPECIFIED' ? 'UNKNOWN' : name;
}

export function nameOfEvent(event: Event): AgentEvent {
  const name = events.get(event) ?? 'UNSPECIFIED';
  return name === 'UNSPECIFIED' ? 'unknown' : (name.toLowerCase() as AgentEvent);
}

export function nameOfActivity(activity: ActivityValue): Activity | null {
  const name = activities.get(activity) ?? 'UNSPECIFIED';
  return name === 'UNSPECIFIED' ? null : (name.toLowerCase() as Activity);
}

export const activityOf = (activity: Activity): ActivityValue =>
  ActivityValue[activity.toUpperCase() as Uppercase<Activity>];

export const hexOf = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Bytes from hex; anything else gives none, which no agent accepts. */
export function bytesOf(hex: string): Uint8Array<ArrayBuffer> {
  if (!/^([0-9a-f]{2})*$/i.test(hex)) return new Uint8Array();
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
