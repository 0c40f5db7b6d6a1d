/** PINGREQ (MQTT 3.1.1 §3.12). */
import { type Connection, send } from './connection.ts';

/** Answers with PINGRESP [MQTT-3.12.4-1]. */
export function handlePingreq(connection: Connection): void {
  send(connection, { cmd: 'pingresp' });
}
