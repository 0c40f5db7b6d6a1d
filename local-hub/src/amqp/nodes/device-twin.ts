/**
 * `/devices/{id}/twin`: requests of the device come in on one link; answers and changes of the desired properties go out on
 * another (as azure-iot-device-amqp's twin client expects: GET, PATCH, PUT and DELETE in the annotation `operation`).
 */
import { HubError } from '../../engine/error.ts';
import type { Session } from '../../engine/presence.ts';
import type { JsonObject } from '../../engine/twin.ts';
import { expectedError, toStatusCode } from '../errors.ts';
import { annotationKey, bodyOf } from '../hub-message.ts';
import { accepted } from '../inbound-link.ts';
import type { OpenInbound, OpenOutbound } from '../node-context.ts';
import { channelOf } from '../reply-links.ts';
import { type Entry, putData, putMessageAnnotations, putProperties } from '../wire/compose.ts';
import { type AmqpMessage, readMessage } from '../wire/message.ts';
import { createWriter, putInt, putLong, putString, written } from '../wire/write.ts';

const groupOf = (deviceId: string) => `twin/${deviceId}`;
const desiredResource = '/notifications/twin/properties/desired';
const reportedResource = '/properties/reported';

const keys = {
  status: annotationKey('status'),
  version: annotationKey('version'),
  resource: annotationKey('resource'),
};

type Answer = { status: number; body?: unknown; version?: number };

function writeAnswer(rawCorrelationId: Buffer | undefined, { status, body, version }: Answer): Buffer {
  const writer = createWriter();
  const versions: Entry[] = version === undefined ? [] : [[keys.version, (w) => putLong(w, version)]];
  putMessageAnnotations(writer, [[keys.status, (w) => putInt(w, status)], ...versions]);
  putProperties(writer, { rawCorrelationId });
  putData(writer, body === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(body)));
  return written(writer);
}

function writePatch(patch: JsonObject): Buffer {
  const writer = createWriter();
  const { $version } = patch;
  putMessageAnnotations(writer, [
    [keys.resource, (w) => putString(w, desiredResource)],
    ...(typeof $version === 'number'
      ? [[keys.version, (w) => putLong(w, $version)] as const satisfies Entry]
      : []),
  ]);
  putData(writer, Buffer.from(JSON.stringify(patch)));
  return written(writer);
}

function parsePatch(message: AmqpMessage): unknown {
  try {
    return JSON.parse(bodyOf(message).toString('utf8'));
  } catch (cause) {
    throw new HubError('ArgumentInvalid', 'The patch of the reported properties is not JSON', { cause });
  }
}

/** Requests of the device. */
export const openTwinRequests =
  (deviceId: string): OpenInbound =>
  (link, request, context) => {
    const { claims, devices, engine, protocol, replies, settings } = context;
    const channel = channelOf(request);
    let session: Session | undefined;
    let stopNotifying: (() => void) | undefined;
    devices.enter(claims.device(deviceId), link, (ready) => {
      session = ready;
      link.grant();
    });

    async function run(message: AmqpMessage): Promise<Answer> {
      const operation = String(message.annotations.get('operation'));
      const resource = message.annotations.get('resource');
      if (operation === 'GET') {
        await engine.throttles.take('twinRead', 1, deviceId);
        return { status: 200, body: engine.twins.deviceView(deviceId) };
      }
      if (operation === 'PATCH' && resource === reportedResource)
        return { status: 204, version: await engine.twins.patchReported(deviceId, parsePatch(message)) };
      if (operation === 'PUT' && resource === desiredResource) {
        stopNotifying ??= engine.twins.onDesired(
          deviceId,
          (patch) => void replies.find(groupOf(deviceId), channel)?.push({ payload: writePatch(patch) }),
        );
        return { status: 200 };
      }
      if (operation === 'DELETE' && resource === desiredResource) {
        stopNotifying?.();
        stopNotifying = undefined;
        return { status: 204 };
      }
      throw new HubError('ArgumentInvalid', `The twin has no operation ${operation} on ${String(resource)}`);
    }

    async function answer(message: AmqpMessage, settle: () => void): Promise<void> {
      let result: Answer;
      try {
        result = await run(message);
      } catch (error) {
        const expected = expectedError(error);
        if (expected === undefined) context.onBug(error);
        result = { status: toStatusCode(error), body: expected?.description ?? 'The hub failed' };
      }
      const payload = writeAnswer(message.properties.rawCorrelationId, result);
      if (engine.faults.take('lose-twin-reply', deviceId, protocol)) settle();
      else replies.send(groupOf(deviceId), channel, payload, settle);
    }

    return {
      maxMessageBytes: settings.maxRequestBytes,
      credit: settings.sendCredit,
      receive({ bytes, settle }) {
        session?.touch();
        const message = readMessage(bytes);
        void answer(message, () => settle(accepted));
      },
      closed() {
        stopNotifying?.();
        devices.leave(deviceId, link);
      },
      allowed: () => claims.allowsDevice(deviceId),
    };
  };

/** Answers and changes. */
export const openTwinAnswers =
  (deviceId: string): OpenOutbound =>
  (link, request, { claims, devices, replies }) => {
    devices.enter(claims.device(deviceId), link, () => {
      replies.add(groupOf(deviceId), request, link);
    });
    return {
      closed() {
        replies.remove(link);
        devices.leave(deviceId, link);
      },
      allowed: () => claims.allowsDevice(deviceId),
    };
  };
