/**
 * Persistent sessions: the subscriptions of clients that connect with clean session 0 outlive their connections
 * [MQTT-3.1.2-4] and restarts of the hub. Cloud-to-device messages are no part of them: the engine keeps those anyway.
 */
import type { Documents } from '../store/store.ts';

/** A topic filter with the QoS that was granted for it: 0 or 1. */
export type Subscription = { filter: string; qos: 0 | 1 };

/** What is stored of a session. `version` is that of this format. */
type StoredSession = { version: 1; subscriptions: Subscription[] };

export type Sessions = {
  /** The stored subscriptions; undefined when the device has no persistent session. */
  get(deviceId: string): readonly Subscription[] | undefined;
  /** Creates or replaces a session. Resolves when it is durable. */
  save(deviceId: string, subscriptions: readonly Subscription[]): Promise<void>;
  /** Resolves when it is durable; at once when there is no session. */
  remove(deviceId: string): Promise<void>;
};

/** Loads the sessions and keeps them. */
export function createSessions(documents: Documents): Sessions {
  const sessions = new Map<string, readonly Subscription[]>();
  for (const { id, value } of documents.load<StoredSession>('mqttSession'))
    if (value.version === 1) sessions.set(id, value.subscriptions);

  return {
    get: (deviceId) => sessions.get(deviceId),
    async save(deviceId, subscriptions) {
      const copy = subscriptions.map(({ filter, qos }) => ({ filter, qos }));
      sessions.set(deviceId, copy);
      await documents.put('mqttSession', deviceId, {
        version: 1,
        subscriptions: copy,
      } satisfies StoredSession);
    },
    async remove(deviceId) {
      if (sessions.delete(deviceId)) await documents.remove('mqttSession', deviceId);
    },
  };
}
