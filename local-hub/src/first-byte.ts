/**
 * Tells by its first byte which protocol a client speaks, so that one port serves all of them: an MQTT CONNECT packet begins
 * with 0x10 (MQTT 3.1.1 §3.1), an AMQP protocol header with "AMQP" (AMQP 1.0 §2.2), an HTTP request with its method.
 */
import type { Socket } from 'node:net';

export type Protocol = 'mqtt' | 'amqp' | 'http';

/** What became of a new connection: a protocol; a byte that begins none; silence until the deadline; or it went away. */
export type FirstByte = Protocol | 'unknown' | 'silent' | 'gone';

const mqttConnect = 0x10;
const letterA = 0x41;
const letterZ = 0x5a;

/** No HTTP method that anybody serves begins with A; lower-case methods do not exist. */
export function protocolOf(byte: number): Protocol | 'unknown' {
  if (byte === mqttConnect) return 'mqtt';
  if (byte === letterA) return 'amqp';
  return byte > letterA && byte <= letterZ ? 'http' : 'unknown';
}

/** Reports the outcome once; when it is a protocol, every byte is still unread. `deadlineMs` bounds the silence. */
export function awaitFirstByte(
  socket: Socket,
  deadlineMs: number,
  report: (outcome: FirstByte) => void,
): void {
  function finish(outcome: FirstByte): void {
    socket.off('readable', onReadable);
    socket.off('timeout', onTimeout);
    socket.off('close', onClose);
    socket.setTimeout(0);
    report(outcome);
  }
  function onReadable(): void {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    socket.unshift(chunk);
    finish(protocolOf(chunk[0] ?? 0));
  }
  function onTimeout(): void {
    finish('silent');
  }
  function onClose(): void {
    finish('gone');
  }
  socket.on('readable', onReadable);
  socket.on('timeout', onTimeout);
  socket.on('close', onClose);
  socket.setTimeout(deadlineMs);
}
