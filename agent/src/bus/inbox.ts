/**
 * Messages from the cloud: read within the contract's limits, known ones dropped, the rest handed over one by one. On MQTT the
 * SDK has acknowledged a message before we see it, so what is waiting here exists nowhere else.
 */
import { type CloudToDevice, CloudToDeviceSchema } from '@iotdh/proto/bus/v1';
import { createPayloadReader, maxCloudToDeviceBytes } from '@iotdh/proto/payload';
import type { Command, Envelope, Receivers } from './bus.ts';
import { describe, type Notes } from './notes.ts';

export type Inbox = {
  /** Whatever the bytes are, it never throws. */
  add(body: Uint8Array): void;
  /** From now on until `endPurge`, what waits and what comes is dropped. */
  beginPurge(): void;
  /** How many messages that has dropped so far. */
  readonly purged: number;
  endPurge(): void;
};

export type InboxOptions = {
  receivers: Receivers;
  notes: Notes;
  /** Most messages that wait; frames beyond it are dropped, since they are asked for again. Default 128. */
  maxWaiting?: number;
  /** How many message ids are remembered to know duplicates. Default 4,096. */
  maxKnown?: number;
};

type Message = CloudToDevice & { payload: Command };

export function createInbox({ receivers, notes, maxWaiting = 128, maxKnown = 4_096 }: InboxOptions): Inbox {
  const read = createPayloadReader(CloudToDeviceSchema, { maxBytes: maxCloudToDeviceBytes });
  const known = new Set<string>();
  const waiting: Message[] = [];
  let busy = false;
  let purging = false;
  let purged = 0;

  function refuse(reason: string): void {
    notes({ level: 'warn', what: 'a message from the cloud was ignored', detail: reason });
  }

  function isNew(messageId: string): boolean {
    if (known.has(messageId)) return false;
    known.add(messageId);
    // A set gives its oldest member first.
    if (known.size > maxKnown) for (const oldest of known) return known.delete(oldest);
    return true;
  }

  /** The message, or undefined when it is not for us. */
  function decode(body: Uint8Array): Message | undefined {
    const payload = read(body);
    switch (payload.kind) {
      case 'too-large':
        refuse(`it has ${payload.bytes} bytes, more than ${payload.maxBytes}`);
        return undefined;
      case 'malformed':
        refuse(`it is malformed: ${describe(payload.cause)}`);
        return undefined;
      case 'invalid': {
        const [first] = payload.violations;
        refuse(`it breaks the contract: ${first?.field} ${first?.message}`);
        return undefined;
      }
      case 'valid': {
        const { message } = payload;
        return message.payload.case === undefined ? undefined : (message as Message);
      }
    }
  }

  async function hand<K extends Command['case']>(message: Message & { payload: { case: K } }): Promise<void> {
    const { sequence, messageId, time, traceParent, payload } = message;
    const receiver = receivers[payload.case] as ((envelope: Envelope) => void | Promise<void>) | undefined;
    if (receiver === undefined) return refuse(`nobody here handles ${payload.case}`);
    try {
      await receiver({ sequence, messageId, traceParent, payload, ...(time !== undefined && { time }) });
    } catch (error) {
      const what = `a message of the kind ${payload.case} was not handled`;
      notes({ level: 'warn', what, detail: describe(error) });
    }
  }

  async function work(): Promise<void> {
    if (busy) return;
    busy = true;
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await hand(next);
    busy = false;
  }

  return {
    add(body) {
      if (purging) {
        purged += 1;
        return;
      }
      const message = decode(body);
      if (message === undefined || !isNew(message.messageId)) return;
      if (waiting.length >= maxWaiting && message.payload.case === 'frame') {
        // It must be new when it comes again.
        known.delete(message.messageId);
        return;
      }
      waiting.push(message);
      void work();
    },
    beginPurge() {
      if (!purging) purged = 0;
      purging = true;
      purged += waiting.length;
      waiting.length = 0;
    },
    get purged() {
      return purged;
    },
    endPurge() {
      purging = false;
    },
  };
}
