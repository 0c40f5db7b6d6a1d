/**
 * The PUBACKs that a connection owes: each is sent only when what it acknowledges is durable, and in the order in which the
 * messages came [MQTT-4.6.0-2]. Those that fall due together leave in one write.
 */

/** A received PUBLISH that is not settled yet. */
export type Owed = { packetId: number; readonly bytes: number; settled: boolean };

export type Acknowledgements = {
  /** Notes a message; `packetId` 0 (QoS 0) takes its place without being acknowledged. */
  owe(packetId: number, bytes: number): Owed;
  /** The message is durable; `silently` (fault injection) keeps its place but sends nothing. */
  settle(owed: Owed, silently?: boolean): void;
  /** Messages that are not settled yet, and the bytes of their bodies. */
  readonly count: number;
  readonly bytes: number;
};

const pubackType = 0x40;
const pubackBytes = 4;

/** PUBACK packets for the identifiers (MQTT 3.1.1 §3.4); undefined when there is nothing to send. */
function encode(settled: readonly Owed[]): Buffer | undefined {
  const acknowledged = settled.filter(({ packetId }) => packetId !== 0);
  if (acknowledged.length === 0) return undefined;
  const bytes = Buffer.allocUnsafe(pubackBytes * acknowledged.length);
  acknowledged.forEach(({ packetId }, index) => {
    const at = pubackBytes * index;
    bytes[at] = pubackType;
    bytes[at + 1] = 2;
    bytes.writeUInt16BE(packetId, at + 2);
  });
  return bytes;
}

export type AcknowledgementsOptions = {
  send(pubacks: Buffer): void;
  /** Called when messages were settled, so that reading may go on. */
  onSettled(): void;
};

/** Creates the account of one connection. */
export function createAcknowledgements({ send, onSettled }: AcknowledgementsOptions): Acknowledgements {
  const queue: Owed[] = [];
  let flushing = false;

  function flush(): void {
    flushing = false;
    let count = 0;
    while (queue[count]?.settled) count += 1;
    if (count === 0) return;
    const settled = queue.splice(0, count);
    totals.count = queue.length;
    for (const owed of settled) totals.bytes -= owed.bytes;
    const pubacks = encode(settled);
    if (pubacks !== undefined) send(pubacks);
    onSettled();
  }

  // Plain fields rather than getters, with which V8 would give each connection's object a hidden class of its own.
  const totals = {
    count: 0,
    bytes: 0,
    owe(packetId: number, bytes: number): Owed {
      const owed = { packetId, bytes, settled: false };
      queue.push(owed);
      totals.count = queue.length;
      totals.bytes += bytes;
      return owed;
    },
    settle(owed: Owed, silently = false): void {
      owed.settled = true;
      if (silently) owed.packetId = 0;
      if (flushing || queue[0] !== owed) return;
      flushing = true;
      // A commit settles many messages in one turn of the event loop.
      process.nextTick(flush);
    },
  };
  return totals;
}
