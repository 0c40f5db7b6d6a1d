/**
 * Persistent sessions: the subscriptions of clients that connect with clean session 0 outlive their connections
 * [MQTT-3.1.2-4] and restarts of the hub. Cloud-to-device messages are no part of them: the engine keeps those anyway.
 */
import { openCollection } from '../engine/collection.ts';
import type { Documents } from '../store/store.ts';

/** A topic filter with the QoS that was granted for it. */
export type Subscription = { filter: string; qos: 0 | 1 };

/** What is stored of a session. `version` is that of this format. */
type StoredSession = { version: 1; subscriptions: readonly Subscription[] };

export type Sessions = {
  /** The stored subscriptions; undefined when the device has no persistent session. */
  get(deviceId: string): readonly Subscription[] | undefined;
  /** Creates or replaces a session. Resolves when it is durable. */
  save(deviceId: string, subscriptions: readonly Subscription[]): Promise<void>;
  /** Resolves when it is durable; at once when there is no session. */
  remove(deviceId: string): Promise<void>;
};

/** Opens the sessions that were stored before. */
export function openSessions(documents: Documents): Sessions {
  const stored = openCollection<StoredSession>(documents, 'mqttSession');
  return {
    get: (deviceId) => stored.get(deviceId)?.subscriptions,
    save: (deviceId, subscriptions) => stored.put(deviceId, { version: 1, subscriptions }),
    async remove(deviceId) {
      if (stored.has(deviceId)) await stored.remove(deviceId);
    },
  };
}
