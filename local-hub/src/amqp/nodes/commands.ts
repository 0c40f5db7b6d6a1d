/** `/messages/devicebound`: services send cloud-to-device messages, which are accepted when they are durable. */
import { parseRecipient } from '../address.ts';
import { AmqpRefusal } from '../errors.ts';
import { readCommand } from '../hub-message.ts';
import { accepted } from '../inbound-link.ts';
import type { NodeContext, OpenInbound } from '../node-context.ts';
import { WireError } from '../wire/check.ts';
import { type AmqpMessage, plainFormat, readMessage } from '../wire/message.ts';
import { rejection } from './rejection.ts';
import { requireService } from './service.ts';

async function send(message: AmqpMessage, { engine, clock }: NodeContext): Promise<void> {
  const deviceId = parseRecipient(message.properties.to);
  if (deviceId === undefined)
    throw new AmqpRefusal(
      'com.microsoft:argument-error',
      'The property "to" must be /devices/{deviceId}/messages/devicebound',
    );
  await engine.cloudToDevice.send(deviceId, readCommand(message, clock.now()));
}

export const openCommands: OpenInbound = (link, _request, context) => {
  const allowed = requireService(context);
  link.grant();
  return {
    maxMessageBytes: context.settings.maxCommandBytes,
    credit: context.settings.sendCredit,
    receive({ bytes, format, settle }) {
      if (format !== plainFormat) throw new WireError('cloud-to-device messages cannot be sent in batches');
      send(readMessage(bytes), context).then(
        () => settle(accepted),
        (error: unknown) => settle(rejection(error, context)),
      );
    },
    closed() {},
    allowed,
  };
};
