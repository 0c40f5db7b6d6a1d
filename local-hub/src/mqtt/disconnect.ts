/** DISCONNECT (MQTT 3.1.1 §3.14). */
import { type Connection, endConnection } from './connection.ts';

/** Drops the will [MQTT-3.14.4-3] and closes the connection, unless the client does so first [MQTT-3.14.4-2]. */
export function handleDisconnect(connection: Connection): void {
  const { phase } = connection;
  if (phase.kind === 'device') phase.will = undefined;
  endConnection(connection, { how: 'flush' });
}
