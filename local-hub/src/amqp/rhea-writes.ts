/**
 * rhea writes to the socket, and restarts its heartbeat timer, with every frame. Here the transfers and dispositions of one
 * turn are written at once; other frames go at once, because rhea changes some of them after they are written.
 */
import type { RheaConnection } from './rhea-internals.ts';

/** Transfer and disposition: the many. */
const deferrable = new Set<number | undefined>([0x14, 0x15]);

/** Changes a connection's writing. Returns its processing, which writes what was gathered; it throws what rhea throws. */
export function gatherWrites(connection: RheaConnection): () => void {
  const { _process: process, _write_frame: writeFrame, output } = connection;
  let processing = false;
  let deferring = false;
  let deferred = false;

  connection.output = () => {
    if (deferring) deferred = true;
    else output.call(connection);
  };
  connection._write_frame = (channel, frame, payload) => {
    deferring = processing && deferrable.has(frame?.constructor.descriptor.numeric);
    writeFrame.call(connection, channel, frame, payload);
    deferring = false;
  };
  return () => {
    processing = true;
    try {
      process.call(connection);
    } finally {
      processing = false;
      deferring = false;
    }
    if (deferred) output.call(connection);
    deferred = false;
  };
}
