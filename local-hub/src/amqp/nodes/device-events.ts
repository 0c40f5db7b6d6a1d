/** `/devices/{id}/messages/events`: telemetry of a device, accepted when it is durable. */
import type { DeviceAuth } from '../../engine/authentication.ts';
import type { HubMessage } from '../../engine/message.ts';
import type { Session } from '../../engine/presence.ts';
import { readEvent } from '../hub-message.ts';
import { accepted, type Inbound } from '../inbound-link.ts';
import type { NodeContext, OpenInbound } from '../node-context.ts';
import { batchFormat, readMessage } from '../wire/message.ts';
import { rejection } from './rejection.ts';

/** The events in a message: one, or those of a batch. Throws WireError. */
function readEvents({ bytes, format }: Inbound): HubMessage[] {
  const message = readMessage(bytes);
  return format === batchFormat
    ? message.data.map((inner) => readEvent(readMessage(inner)))
    : [readEvent(message)];
}

async function append(events: HubMessage[], auth: DeviceAuth, { engine }: NodeContext): Promise<void> {
  const { deviceId } = auth;
  await Promise.all(events.map((message) => engine.telemetry.append({ deviceId, auth, message })));
}

/** Acknowledges, unless a fault loses or delays the acknowledgement. */
function acknowledge(inbound: Inbound, deviceId: string, { engine, clock, protocol }: NodeContext): void {
  if (engine.faults.take('drop-acknowledgement', deviceId, protocol)) return;
  const delay = engine.faults.take('delay', deviceId, protocol);
  if (delay) clock.setTimeout(() => inbound.settle(accepted), delay.delayMs ?? 0);
  else inbound.settle(accepted);
}

export const openDeviceEvents =
  (deviceId: string): OpenInbound =>
  (link, _request, context) => {
    const { claims, devices, settings } = context;
    const auth = claims.device(deviceId);
    let session: Session | undefined;
    devices.enter(auth, link, (ready) => {
      session = ready;
      link.grant();
    });
    return {
      maxMessageBytes: settings.maxEventBytes,
      credit: settings.sendCredit,
      receive(inbound) {
        session?.touch();
        append(readEvents(inbound), session?.auth ?? auth, context).then(
          () => acknowledge(inbound, deviceId, context),
          (error: unknown) => inbound.settle(rejection(error, context)),
        );
      },
      closed: () => devices.leave(deviceId, link),
      allowed: () => claims.allowsDevice(deviceId),
    };
  };
