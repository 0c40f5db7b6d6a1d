/** Telemetry: a device's messages towards the cloud, and its will. */
import type { IPublishPacket } from 'mqtt-packet';
import { HubError } from '../engine/error.ts';
import type { HubMessage } from '../engine/message.ts';
import { bodyOf } from './body.ts';
import { endConnection, refuse } from './connection.ts';
import type { DevicePeer } from './device-peer.ts';
import { parsePropertyBag } from './property-bag.ts';
import { reasonOf } from './refusals.ts';

/** The application property that stands for the RETAIN flag, which IoT Hub does not act upon. */
const retainProperty = 'mqtt-retain';

/** Makes the message of a topic's property bag and a body; undefined when the bag is malformed. */
export function telemetryMessage(bag: string, body: Buffer, retain: boolean): HubMessage | undefined {
  const header = parsePropertyBag(bag);
  if (header === undefined) return undefined;
  if (retain) header.properties[retainProperty] = 'true';
  return { body, system: header.system, properties: header.properties };
}

/** What to tell the person at the laptop about telemetry that could not be taken. */
function adviceFor(error: unknown): string {
  if (!(error instanceof HubError)) return 'This is a bug of the local hub';
  switch (error.code) {
    case 'Throttled':
      return 'Send more slowly, add units, or switch the throttles off';
    case 'QuotaExceeded':
      return 'Wait for the next day, add units, or switch the throttles off';
    case 'MessageTooLarge':
      return 'Send smaller messages';
    default:
      return 'The device may send the message again';
  }
}

/** Appends a message; it is acknowledged once it is durable. A message that is refused closes the link, as IoT Hub does. */
export function takeTelemetry(peer: DevicePeer, packet: IPublishPacket, bag: string): void {
  const { connection, session } = peer;
  const { acknowledgements, context } = connection;
  const { deviceId, auth, protocol } = session;
  const body = bodyOf(packet);
  const message = telemetryMessage(bag, body, packet.retain);
  if (message === undefined) {
    refuse(connection, 'the property bag in the topic is not URL-encoded', 'Encode names and values');
    return;
  }
  const fail = (error: unknown): void =>
    endConnection(connection, {
      how: 'flush',
      finding: { reason: `telemetry was refused: ${reasonOf(error)}`, next: adviceFor(error) },
    });
  const owed = acknowledgements.owe(packet.messageId ?? 0, body.length);
  context.engine.telemetry.append({ deviceId, auth, message }).then(() => {
    const isLost = context.engine.faults.take('drop-acknowledgement', deviceId, protocol) !== undefined;
    acknowledgements.settle(owed, isLost);
  }, fail);
}
