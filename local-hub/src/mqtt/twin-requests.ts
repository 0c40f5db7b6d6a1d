/**
 * Twin requests of a device: read the twin, change its reported properties. They are answered whether or not the device is
 * subscribed to the answers, because Microsoft's SDK for Node.js forgets to subscribe again after a reconnection.
 */
import type { IPublishPacket } from 'mqtt-packet';
import { HubError } from '../engine/error.ts';
import { bodyOf } from './body.ts';
import { attend, send } from './connection.ts';
import type { DevicePeer } from './device-peer.ts';
import { reasonOf, twinRefusal } from './refusals.ts';
import { twinResponseTopic } from './topics.ts';

type Answer = { status: number; body: string; version?: number };

/** What an answer counts towards what may be under way: about the largest twin. */
const answerBytes = 64 * 1024;

/** Runs a request and sends its answer, unless a fault loses it. */
async function answer(
  { connection, session }: DevicePeer,
  packetId: number,
  requestId: string,
  run: () => Promise<Answer>,
): Promise<void> {
  const { acknowledgements, context } = connection;
  const { engine, clock, log } = context;
  const owed = acknowledgements.owe(packetId, answerBytes);
  let result: Answer;
  try {
    result = await run();
  } catch (error) {
    log.warn({ what: 'Twin request refused', deviceId: session.deviceId, reason: reasonOf(error) });
    result = twinRefusal(error, clock.now());
  }
  acknowledgements.settle(owed);
  if (engine.faults.take('lose-twin-reply', session.deviceId, session.protocol) !== undefined) return;
  const topic = twinResponseTopic(result.status, requestId, result.version);
  send(connection, { cmd: 'publish', topic, payload: result.body, qos: 0, dup: false, retain: false });
}

/** Answers `$iothub/twin/GET/`. */
export function answerTwinGet(peer: DevicePeer, packetId: number, requestId: string): void {
  const { throttles, twins } = peer.connection.context.engine;
  const { deviceId } = peer.session;
  const read = async (): Promise<Answer> => {
    await throttles.take('twinRead', 1, deviceId);
    const body = JSON.stringify(twins.deviceView(deviceId));
    throttles.meter(Buffer.byteLength(body), 'twin');
    return { status: 200, body };
  };
  attend(peer.connection, answer(peer, packetId, requestId, read));
}

function parsePatch(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new HubError('ArgumentInvalid', 'The patch of the reported properties is not JSON.');
  }
}

/** Answers `$iothub/twin/PATCH/properties/reported/`. */
export function answerTwinPatch(
  peer: DevicePeer,
  packet: IPublishPacket,
  topic: { requestId: string; version?: number },
): void {
  const { twins } = peer.connection.context.engine;
  const { deviceId } = peer.session;
  const body = bodyOf(packet);
  const patch = async (): Promise<Answer> => {
    const version = await twins.patchReported(deviceId, parsePatch(body), topic.version);
    return { status: 204, body: '', version };
  };
  attend(peer.connection, answer(peer, packet.messageId ?? 0, topic.requestId, patch));
}
