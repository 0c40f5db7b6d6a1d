/**
 * Answers to requests that carry a request id, so that a retry is answered as the request was. They are written in the
 * transaction of what the request changed. An answer may hold an enrolment token, of which the database must not know more than the
 * digest: so each is sealed with a key that only the request id gives, and of that, too, only a digest is kept.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { Binary, type ClientSession } from 'mongodb';
import type { Collections } from '../../shared/database/collections.ts';
import { contentDigest } from './content-digest.ts';
import { refuse } from './refusal.ts';

/** One request as its answer is found again by. */
export type RequestKey<Request extends DescMessage, Response extends DescMessage> = {
  operator: string;
  /** Empty: the request has no id, nothing is looked for or kept. */
  requestId: string;
  request: MessageShape<Request>;
  requestSchema: Request;
  responseSchema: Response;
};

const keptMs = 25 * 3_600_000;
const cipher = 'aes-256-gcm';
const ivBytes = 12;
const tagBytes = 16;

const idOf = <Q extends DescMessage, S extends DescMessage>(key: RequestKey<Q, S>): string =>
  createHash('sha256')
    .update(`${key.requestSchema.typeName}\n${key.operator}\n${key.requestId}`)
    .digest('hex');

const contentOf = <Q extends DescMessage, S extends DescMessage>(key: RequestKey<Q, S>): string =>
  contentDigest(key.requestSchema, key.request);

const sealKey = (requestId: string): Buffer =>
  Buffer.from(hkdfSync('sha256', requestId, '', 'iotdh request answer', 32));

/** The answer that was given before; null: none was. Refuses with `request_id_reused` when the request was another. */
export async function findAnswer<Q extends DescMessage, S extends DescMessage>(
  requests: Collections['requests'],
  key: RequestKey<Q, S>,
): Promise<MessageShape<S> | null> {
  if (key.requestId === '') return null;
  const found = await requests.findOne({ _id: idOf(key) });
  if (found === null) return null;
  if (found.requestDigest !== contentOf(key)) {
    return refuse({ kind: 'request_id_reused', requestId: key.requestId });
  }
  return fromBinary(key.responseSchema, open(sealKey(key.requestId), found.response.buffer));
}

/** Keeps an answer. The session's transaction fails with a duplicate key when another one was kept meanwhile. */
export async function keepAnswer<Q extends DescMessage, S extends DescMessage>(
  session: ClientSession,
  requests: Collections['requests'],
  key: RequestKey<Q, S>,
  response: MessageShape<S>,
  nowMs: number,
): Promise<void> {
  if (key.requestId === '') return;
  await requests.insertOne(
    {
      _id: idOf(key),
      method: key.requestSchema.typeName,
      requestDigest: contentOf(key),
      response: new Binary(seal(sealKey(key.requestId), toBinary(key.responseSchema, response))),
      expireTime: new Date(nowMs + keptMs),
    },
    { session },
  );
}

function seal(key: Buffer, bytes: Uint8Array): Buffer {
  const iv = randomBytes(ivBytes);
  const sealing = createCipheriv(cipher, key, iv);
  return Buffer.concat([iv, sealing.update(bytes), sealing.final(), sealing.getAuthTag()]);
}

function open(key: Buffer, sealed: Uint8Array): Uint8Array {
  const end = sealed.length - tagBytes;
  const opening = createDecipheriv(cipher, key, sealed.subarray(0, ivBytes));
  opening.setAuthTag(sealed.subarray(end));
  return Buffer.concat([opening.update(sealed.subarray(ivBytes, end)), opening.final()]);
}
