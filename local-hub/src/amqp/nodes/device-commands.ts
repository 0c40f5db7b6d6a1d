/** `/devices/{id}/messages/devicebound`: a device receives its cloud-to-device messages and settles each. */
import type { Receiver } from '../../engine/cloud-to-device.ts';
import { writeCommand } from '../hub-message.ts';
import type { NodeContext, OpenOutbound } from '../node-context.ts';
import type { OutboundLink } from '../outbound-link.ts';
import { lockTag, settleWith } from './lock.ts';

function receive(deviceId: string, link: OutboundLink, credit: number, context: NodeContext): Receiver {
  const receiver = context.engine.cloudToDevice.receive(deviceId, {
    window: context.settings.receiveWindow,
    credit,
    deliver: (delivery) =>
      void link.push({
        payload: writeCommand(deviceId, delivery),
        tag: lockTag(delivery.lockToken),
        onOutcome: (outcome) => settleWith(receiver, delivery.lockToken, outcome, context),
      }),
  });
  return receiver;
}

export const openDeviceCommands =
  (deviceId: string): OpenOutbound =>
  (link, _request, context) => {
    const { claims, devices } = context;
    let receiver: Receiver | undefined;
    let latestCredit = 0;
    devices.enter(claims.device(deviceId), link, () => {
      receiver = receive(deviceId, link, latestCredit, context);
    });
    return {
      creditChanged(credit) {
        latestCredit = credit;
        receiver?.setCredit(credit);
      },
      closed() {
        receiver?.close();
        devices.leave(deviceId, link);
      },
      allowed: () => claims.allowsDevice(deviceId),
    };
  };
