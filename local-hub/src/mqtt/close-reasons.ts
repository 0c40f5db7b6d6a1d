/** How a connection ends when the engine wants it to: MQTT 3.1.1 cannot tell the client why, so the log does. */
import type { CloseReason } from '../engine/presence.ts';
import { type Connection, endConnection } from './connection.ts';

const findings: Record<CloseReason, { reason: string; next?: string } | undefined> = {
  // Presence logs which connection took over.
  kicked: undefined,
  deleted: { reason: 'the device was deleted from the registry' },
  disabled: { reason: 'the device was disabled in the registry' },
  expired: {
    reason: 'its SAS token has expired (401003 IoTHubUnauthorized)',
    next: 'Connect again with a new token',
  },
  fault: { reason: 'an injected fault cut the link' },
  shutdown: undefined,
};

/** Closes a connection for the engine. An injected fault drops the link as a broken network would. */
export function closeForEngine(connection: Connection, reason: CloseReason): void {
  const finding = findings[reason];
  endConnection(connection, {
    how: reason === 'fault' ? 'abort' : 'flush',
    ...(finding !== undefined && { finding }),
  });
}
