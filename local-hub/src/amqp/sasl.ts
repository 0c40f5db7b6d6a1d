/**
 * The SASL layer below AMQP (AMQP 1.0 part 5, section 5.3): the hub offers its mechanisms, the client picks one, the hub
 * decides. ANONYMOUS and MSSBCBS promise a token later ($cbs); EXTERNAL points to the TLS certificate; PLAIN carries one.
 */
import { checkValue, WireError } from './wire/check.ts';
import { bodyOffset, saslFrame } from './wire/frame.ts';
import { Described, readValue } from './wire/read.ts';
import {
  createWriter,
  putDescriptor,
  putList,
  putSymbols,
  putUbyte,
  type Writer,
  written,
} from './wire/write.ts';

export type SaslInit = { mechanism: string; response: Buffer };

/** Who presents a token by PLAIN: a device (`{id}@sas.{hub}`) or a policy (`{name}@sas.root.{hub}`). */
export type PlainCredentials = { kind: 'device' | 'policy'; name: string; token: string };

const saslOk = 0;
const saslAuthenticationFailed = 1;

/** A frame with one described list as its body. */
function encodeFrame(type: number, code: number, count: number, fill: (writer: Writer) => void): Buffer {
  const writer = createWriter();
  writer.at = 8;
  putDescriptor(writer, code);
  putList(writer, count, () => fill(writer));
  const frame = written(writer);
  frame.writeUInt32BE(frame.length, 0);
  frame.writeUInt8(2, 4);
  frame.writeUInt8(type, 5);
  frame.writeUInt16BE(0, 6);
  return frame;
}

export const encodeMechanisms = (names: readonly string[]): Buffer =>
  encodeFrame(saslFrame, 0x40, 1, (writer) => putSymbols(writer, names));

export const encodeOutcome = (ok: boolean): Buffer =>
  encodeFrame(saslFrame, 0x44, 1, (writer) => putUbyte(writer, ok ? saslOk : saslAuthenticationFailed));

/** Reads the client's choice. Throws WireError when the frame is anything else. */
export function readInit(frame: Buffer): SaslInit {
  const start = bodyOffset(frame, saslFrame);
  checkValue(frame, start, frame.length);
  const value = readValue({ bytes: frame, at: start });
  if (!(value instanceof Described) || value.descriptor !== 0x41 || !Array.isArray(value.value))
    throw new WireError('a SASL init was expected');
  const [mechanism, response] = value.value;
  if (typeof mechanism !== 'string') throw new WireError('a SASL init names no mechanism');
  return { mechanism, response: Buffer.isBuffer(response) ? response : Buffer.alloc(0) };
}

/** Reads a PLAIN response (RFC 4616) with IoT Hub's user names; undefined when it is neither of them. */
export function readPlain(response: Buffer): PlainCredentials | undefined {
  const [, user = '', token = '', ...rest] = response.toString('utf8').split('\0');
  const at = user.lastIndexOf('@sas.');
  if (at <= 0 || token === '' || rest.length > 0) return undefined;
  const kind = user.startsWith('root.', at + '@sas.'.length) ? 'policy' : 'device';
  return { kind, name: user.slice(0, at), token };
}
