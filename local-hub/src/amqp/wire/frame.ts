/**
 * Frames of AMQP 1.0 (part 2, section 2.3): cuts the byte stream into complete frames of bounded size, and checks the
 * performative in each, so that rhea is only fed what it can read safely.
 */
import { checkValue, WireError } from './check.ts';

export const frameHeaderBytes = 8;
export const amqpFrame = 0x00;
export const saslFrame = 0x01;

/** Protocol ids of the 8-byte header `AMQP id 1 0 0`. */
export const amqpProtocol = 0;
export const saslProtocol = 3;

/** The protocol header for an id. */
export const protocolHeader = (id: number): Buffer => Buffer.from([0x41, 0x4d, 0x51, 0x50, id, 1, 0, 0]);

/** The protocol id in an 8-byte header, or undefined when it is not AMQP 1.0. */
export function protocolOf(header: Buffer): number | undefined {
  const id = header.readUInt8(4);
  return header.subarray(0, 8).equals(protocolHeader(id)) ? id : undefined;
}

/** The performatives of the transport, open (0x10) to close (0x18). */
const isPerformative = (code: number) => code >= 0x10 && code <= 0x18;

/** Where the frame's body begins. Throws WireError when the header is malformed or of another type. */
export function bodyOffset(frame: Buffer, type: number): number {
  const offset = frame.readUInt8(4) * 4;
  if (offset < frameHeaderBytes || offset > frame.length)
    throw new WireError('a frame has a bad data offset');
  if (frame.readUInt8(5) !== type) throw new WireError(`a frame has type ${frame.readUInt8(5)}`);
  return offset;
}

/** Checks a complete AMQP frame: empty (a heartbeat), or a known performative of valid structure and maybe a payload. */
export function checkFrame(frame: Buffer): void {
  const start = bodyOffset(frame, amqpFrame);
  if (start === frame.length) return;
  // 0x53 is "smallulong", the only form of these descriptors in use; 0x80 is a full ulong.
  const short = frame[start + 1] === 0x53;
  const code = short ? frame[start + 2] : frame[start + 9];
  if (frame[start] !== 0x00 || (!short && frame[start + 1] !== 0x80) || code === undefined)
    throw new WireError('a frame does not begin with a performative');
  if (!isPerformative(code)) throw new WireError(`performative 0x${code.toString(16)} is unknown`);
  const list = frame[start + (short ? 3 : 10)];
  if (list !== 0x45 && list !== 0xc0 && list !== 0xd0) throw new WireError('a performative is not a list');
  checkValue(frame, start, frame.length);
}

/**
 * Cuts a stream into frames of at most `maxBytes`: called with received bytes, it checks each frame that is complete now,
 * and returns them in one piece, or undefined when there is none. Holds less than one frame. Throws WireError.
 */
export function createFrameCutter(
  maxBytes: number,
  check: (frame: Buffer) => void,
): (chunk: Buffer) => Buffer | undefined {
  let chunks: Buffer[] = [];
  let held = 0;
  /** How many bytes the next frame needs; the length field comes first. */
  let wanted = 4;

  return (chunk) => {
    chunks.push(chunk);
    held += chunk.length;
    if (held < wanted) return undefined;
    const bytes = chunks.length === 1 ? chunk : Buffer.concat(chunks, held);
    let at = 0;
    wanted = 4;
    while (bytes.length - at >= 4) {
      const size = bytes.readUInt32BE(at);
      if (size < frameHeaderBytes) throw new WireError(`a frame says that it has ${size} bytes`);
      if (size > maxBytes) throw new WireError(`a frame of ${size} bytes exceeds the limit of ${maxBytes}`);
      wanted = size;
      if (bytes.length - at < size) break;
      check(bytes.subarray(at, at + size));
      at += size;
      wanted = 4;
    }
    chunks = at === bytes.length ? [] : [bytes.subarray(at)];
    held = bytes.length - at;
    return at === 0 ? undefined : bytes.subarray(0, at);
  };
}
