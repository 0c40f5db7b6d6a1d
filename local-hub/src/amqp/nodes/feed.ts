/** `/messages/serviceBound/feedback` and `…/filenotifications`: services receive and settle the hub's own messages. */
import type { Feed, FeedDelivery } from '../../engine/feed.ts';
import { annotationKey } from '../hub-message.ts';
import type { NodeContext, OpenOutbound } from '../node-context.ts';
import { putData, putMessageAnnotations, putProperties } from '../wire/compose.ts';
import { createWriter, putInt, putLong, putString, putTimestamp, written } from '../wire/write.ts';
import { lockTag, settleWith } from './lock.ts';
import { requireService } from './service.ts';

const keys = {
  sequence: annotationKey('iothub-sequencenumber'),
  enqueued: annotationKey('iothub-enqueuedtime'),
  deliveryCount: annotationKey('iothub-deliverycount'),
  lockToken: annotationKey('iothub-messagelocktoken'),
};

function writeItem(item: FeedDelivery, contentType: string): Buffer {
  const writer = createWriter(item.body.length + 512);
  putMessageAnnotations(writer, [
    [keys.sequence, (w) => putLong(w, item.sequence)],
    [keys.enqueued, (w) => putTimestamp(w, item.enqueuedTimeMs)],
    [keys.deliveryCount, (w) => putInt(w, item.deliveryCount)],
    [keys.lockToken, (w) => putString(w, item.lockToken)],
  ]);
  putProperties(writer, {
    messageId: item.lockToken,
    contentType,
    contentEncoding: 'utf-8',
    absoluteExpiryTimeMs: item.expiryTimeMs,
    creationTimeMs: item.enqueuedTimeMs,
  });
  putData(writer, item.body);
  return written(writer);
}

const openFeed =
  (feedOf: (context: NodeContext) => Feed, contentType: string): OpenOutbound =>
  (link, _request, context) => {
    const allowed = requireService(context);
    const receiver = feedOf(context).receive({
      window: context.settings.receiveWindow,
      credit: 0,
      deliver: (item) =>
        void link.push({
          payload: writeItem(item, contentType),
          tag: lockTag(item.lockToken),
          onOutcome: (outcome) => settleWith(receiver, item.lockToken, outcome, context),
        }),
    });
    return { creditChanged: receiver.setCredit, closed: receiver.close, allowed };
  };

export const openFeedback = openFeed(
  ({ engine }) => engine.feedback,
  'application/vnd.microsoft.iothub.feedback.json',
);
export const openFileNotifications = openFeed(
  ({ engine }) => engine.fileNotifications,
  'application/vnd.microsoft.iothub.filenotification.json',
);
