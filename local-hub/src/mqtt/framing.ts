/**
 * Cuts the byte stream of one connection into MQTT control packets. The length is judged as soon as it is known, so a packet
 * that is too large is refused before its body is buffered.
 */

/** Why no packet could be cut: the length field is malformed, or the packet exceeds the maximum. */
export type FramingFault = 'malformed-length' | 'too-large';

export type Framing = {
  /** Adds bytes as they arrive; whole packets are kept by reference, parts of packets are copied together. */
  push(chunk: Buffer): void;
  /** The next complete packet with its fixed header; undefined when more bytes are needed. After a fault, that fault for good. */
  next(): Buffer | FramingFault | undefined;
  /** Bytes that wait to be taken. A method, because V8 gives every object with a getter of its own a hidden class of its own. */
  bufferedBytes(): number;
};

/** [MQTT-2.2.3]: the remaining length takes at most four bytes. */
const maxLengthBytes = 4;
/** How much larger than what has arrived the memory for a partly received packet may be. */
const growth = 4;

/** The size of the packet that starts at `bytes[0]`, header included; 0 when the header is not complete yet. */
function packetBytes(bytes: Buffer): number | 'malformed-length' {
  let remaining = 0;
  for (let index = 1; index < bytes.length; index++) {
    const byte = bytes[index] as number;
    remaining += (byte & 0x7f) * 128 ** (index - 1);
    if ((byte & 0x80) === 0) return 1 + index + remaining;
    if (index === maxLengthBytes) return 'malformed-length';
  }
  return 0;
}

/** Creates the framing of one connection. `maxPacketBytes` counts the whole packet with its header. */
export function createFraming(maxPacketBytes: number): Framing {
  let bytes: Buffer | undefined;
  /** Where parts of a packet are put together; `bytes` is then its beginning. It grows with what really arrives. */
  let assembly: Buffer | undefined;
  let expected = 0;
  let fault: FramingFault | undefined;

  function append(begun: Buffer, chunk: Buffer): void {
    const available = begun.length + chunk.length;
    if (assembly === undefined || assembly.length < available) {
      assembly = Buffer.allocUnsafeSlow(Math.max(available, Math.min(expected, growth * available)));
      begun.copy(assembly);
    }
    chunk.copy(assembly, begun.length);
    bytes = assembly.subarray(0, available);
  }

  function fail(reason: FramingFault): FramingFault {
    fault = reason;
    bytes = undefined;
    assembly = undefined;
    return reason;
  }

  return {
    push(chunk) {
      if (chunk.length === 0 || fault !== undefined) return;
      if (bytes === undefined) bytes = chunk;
      else append(bytes, chunk);
    },

    next() {
      if (fault !== undefined || bytes === undefined) return fault;
      if (expected === 0) {
        const size = packetBytes(bytes);
        if (size === 'malformed-length') return fail(size);
        if (size > maxPacketBytes) return fail('too-large');
        expected = size;
      }
      if (expected === 0 || bytes.length < expected) return undefined;
      const packet = bytes.subarray(0, expected);
      bytes = bytes.length === expected ? undefined : bytes.subarray(expected);
      assembly = undefined;
      expected = 0;
      return packet;
    },

    bufferedBytes: () => bytes?.length ?? 0,
  };
}
