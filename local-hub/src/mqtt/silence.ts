/** Ends the connections that have been silent for too long, or that do not leave: one pass over all, no timer for each. */
import { type Connection, refuse } from './connection.ts';
import type { MqttSettings } from './settings.ts';

/** Whether the silence is ours: what the client sent is not settled yet, and so the client may not be read. */
function isWaitingForUs({ acknowledgements, held }: Connection): boolean {
  return held || acknowledgements.count > 0;
}

/** Looks at every connection once. */
export function endSilent(connections: Iterable<Connection>, nowMs: number, settings: MqttSettings): void {
  for (const connection of connections) {
    const silentMs = nowMs - connection.lastReceivedMs;
    switch (connection.phase.kind) {
      case 'closed':
        if (silentMs > settings.leaveTimeoutMs) connection.stream.destroy();
        break;
      case 'connecting':
        break;
      case 'opened':
        if (silentMs > settings.handshakeTimeoutMs)
          refuse(
            connection,
            `${connection.info.remote} sent no CONNECT in ${settings.handshakeTimeoutMs / 1_000} s`,
          );
        break;
      default:
        // [MQTT-3.1.2-24]
        if (silentMs > connection.maxSilenceMs && !isWaitingForUs(connection))
          refuse(
            connection,
            `the client was silent for ${connection.maxSilenceMs / 1_000} s, one and a half times its keep-alive`,
          );
    }
  }
}
