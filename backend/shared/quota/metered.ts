/**
 * What IoT Hub's quota counts of our messages: the body, and the values of the properties that Microsoft's SDKs set ("Create and
 * read IoT Hub messages", message size). Measured on encoded messages, never guessed.
 */
import { frameBytes } from '../messages/frame.ts';
import { unitsOf } from './hub-limits.ts';

const contentType = 'application/x-protobuf';
const uuidLength = 36;
/** A timestamp of AMQP. */
const expiryBytes = 8;

/** Bytes that count of a C2D message whose body has so many. */
export function c2dBytes(bodyBytes: number, deviceId: string): number {
  const to = `/devices/${encodeURIComponent(deviceId)}/messages/devicebound`;
  return bodyBytes + uuidLength + contentType.length + expiryBytes + Buffer.byteLength(to);
}

/** Units of a C2D message whose body has so many bytes. */
export const c2dUnits = (bodyBytes: number, deviceId: string): number =>
  unitsOf(c2dBytes(bodyBytes, deviceId));

/** Units of a D2C message whose body has so many bytes. */
export const d2cUnits = (bodyBytes: number): number => unitsOf(bodyBytes + uuidLength + contentType.length);

const sampleId = '00000000-0000-4000-8000-000000000000';
const sampleTrace = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

/** Bytes of the whole body of a frame with so many bytes of an object, at the longest offset that a transfer has. */
function frameBodyBytes(dataBytes: number): number {
  const envelope = { messageId: sampleId, nowMs: 1_700_000_000_123, traceParent: sampleTrace };
  const frame = {
    transferId: sampleId,
    objectDigest: new Uint8Array(32),
    offset: 2 ** 40,
    data: new Uint8Array(dataBytes),
  };
  return frameBytes(envelope, frame).length;
}

/**
 * Units of a frame with so many bytes of an object, by one encoded frame for each width that the length of its data can have:
 * the envelope around the data depends on nothing else.
 */
export function createFrameUnits(): (dataBytes: number, deviceId: string) => number {
  const envelopes = new Map<number, number>();
  return (dataBytes, deviceId) => {
    // Lengths are varints of 7 bits a byte.
    const sample = dataBytes < 2 ** 7 ? 1 : dataBytes < 2 ** 14 ? 2 ** 8 : 2 ** 15;
    const envelope = envelopes.get(sample) ?? frameBodyBytes(sample) - sample;
    envelopes.set(sample, envelope);
    return c2dUnits(envelope + dataBytes, deviceId);
  };
}
