/**
 * `/devices/{id}/methods/devicebound`: direct methods go out on one link, responses come in on another (as
 * azure-iot-device-amqp's device method client expects).
 */
import type { MethodCall, Session } from '../../engine/presence.ts';
import { bodyOf, propertyKey } from '../hub-message.ts';
import { accepted } from '../inbound-link.ts';
import type { OpenInbound, OpenOutbound } from '../node-context.ts';
import { putApplicationEntries, putData, putProperties } from '../wire/compose.ts';
import { readMessage } from '../wire/message.ts';
import { createWriter, putString, written } from '../wire/write.ts';
import { rejection } from './rejection.ts';

const methodNameKey = propertyKey('IoThub-methodname');
const statusProperty = 'IoThub-status';

function writeCall({ requestId, methodName, body }: MethodCall): Buffer {
  const writer = createWriter(body.length + 256);
  putProperties(writer, { correlationId: requestId }, true);
  putApplicationEntries(writer, [[methodNameKey, (w) => putString(w, methodName)]]);
  putData(writer, body);
  return written(writer);
}

/** Calls to the device. */
export const openMethodCalls =
  (deviceId: string): OpenOutbound =>
  (link, _request, { claims, devices }) => {
    let session: Session | undefined;
    const handler = (call: MethodCall) => void link.push({ payload: writeCall(call) });
    devices.enter(claims.device(deviceId), link, (ready) => {
      session = ready;
      ready.onMethod(handler);
    });
    return {
      closed() {
        if (session?.methodHandler === handler) session.onMethod(undefined);
        devices.leave(deviceId, link);
      },
      allowed: () => claims.allowsDevice(deviceId),
    };
  };

/** Responses of the device. */
export const openMethodResponses =
  (deviceId: string): OpenInbound =>
  (link, _request, context) => {
    const { claims, devices, engine, settings } = context;
    let session: Session | undefined;
    devices.enter(claims.device(deviceId), link, (ready) => {
      session = ready;
      link.grant();
    });
    return {
      maxMessageBytes: settings.maxRequestBytes,
      credit: settings.sendCredit,
      receive({ bytes, settle }) {
        const message = readMessage(bytes);
        const status = Number(message.applicationProperties.get(statusProperty));
        const { correlationId } = message.properties;
        if (session === undefined || correlationId === undefined || !Number.isInteger(status)) {
          settle({
            kind: 'rejected',
            condition: 'com.microsoft:argument-error',
            description: 'A method response needs a correlation id and the property IoThub-status',
          });
          return;
        }
        session.touch();
        try {
          engine.methods.respond(session, correlationId, status, bodyOf(message));
          settle(accepted);
        } catch (error) {
          settle(rejection(error, context));
        }
      },
      closed: () => devices.leave(deviceId, link),
      allowed: () => claims.allowsDevice(deviceId),
    };
  };
