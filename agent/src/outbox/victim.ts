/** The process that `killed.test.ts` kills: puts messages into the outbox at its argument, sends some, and tells its parent. */
import { openOutbox } from './open-outbox.ts';
import { createStillClock, request } from './testing.ts';

const { outbox } = openOutbox({ path: process.argv[2] ?? '', clock: createStillClock() });
process.on('disconnect', () => process.exit());
for (;;) {
  const outcomes = await Promise.all([request(), request(), request()].map((payload) => outbox.put(payload)));
  for (const outcome of outcomes) {
    if (outcome.kind === 'kept') process.send?.({ kept: [outcome.sequence, outcome.messageId] });
  }
  const [message] = outbox.take(1);
  if (message !== undefined) {
    process.send?.({ sent: [message.sequence, message.messageId] });
    outbox.sent(message.sequence);
  }
}
