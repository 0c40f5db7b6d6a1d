/** What the updater does with the messages of one partition: the devices side by side, each device's requests in order. */
import type { FrameRequest, OfferRequest } from '@iotdh/proto/bus/v1';
import type { Clock } from '../../../shared/clock.ts';
import type { Log } from '../../../shared/log.ts';
import { failSpan, type Tracing } from '../../../shared/tracing.ts';
import type { AnswerFrames, Asker } from '../frames/answers.ts';
import { type DeviceMessage, maxRequestAgeMs } from './consumer.ts';
import type { AnswerOffer } from './offers.ts';
import type { ReadRequest } from './read-request.ts';

export type HandleMessagesOptions = {
  read(body: Uint8Array): ReadRequest;
  answerFrames: AnswerFrames;
  answerOffer: AnswerOffer;
  clock: Clock;
  log: Log;
  tracing: Pick<Tracing, 'startSpan'>;
  /** A request for frames that is older has been asked again since, in ms. Default 30 s. */
  maxAgeMs?: number;
  onRequest?(outcome: RequestOutcome): void;
};

/** `superseded`: the device asked something newer in the same breath. `failed`: the device asks again. */
export type RequestOutcome =
  | 'answered'
  | 'refused'
  | 'too_old'
  | 'superseded'
  | 'failed'
  | 'offered'
  | 'waiting'
  | 'nothing'
  | 'unknown_device';

type FrameAsk = { request: FrameRequest; asker: Asker; enqueuedMs: number };
type Asked = { frames: FrameAsk[]; offer: { request: OfferRequest; asker: Asker } | undefined };

/** Never rejects: what fails here is asked again. */
export function createHandleMessages(
  options: HandleMessagesOptions,
): (messages: readonly DeviceMessage[]) => Promise<void> {
  const { read, answerFrames, answerOffer, clock, log, tracing, maxAgeMs = maxRequestAgeMs } = options;
  const { onRequest = () => {} } = options;

  function sort(messages: readonly DeviceMessage[]): Map<string, Asked> {
    const devices = new Map<string, Asked>();
    for (const { deviceId, body, enqueuedMs } of messages) {
      const result = read(body);
      if (result.kind === 'other') continue;
      const asked = devices.get(deviceId) ?? { frames: [], offer: undefined };
      devices.set(deviceId, asked);
      const asker = { deviceId, traceParent: result.traceParent };
      const { payload } = result;
      if (payload.case === 'frameRequest') asked.frames.push({ request: payload.value, asker, enqueuedMs });
      else asked.offer = { request: payload.value, asker };
    }
    return devices;
  }

  async function carried(
    name: string,
    { deviceId, traceParent }: Asker,
    work: () => Promise<RequestOutcome>,
  ): Promise<void> {
    const attributes = { 'iotdh.device_id': deviceId };
    const span = tracing.startSpan(name, { traceParent, kind: 'consumer', attributes });
    try {
      const outcome = await work();
      span.setAttribute('iotdh.outcome', outcome);
      span.end();
      onRequest(outcome);
    } catch (error) {
      log.warn('a request could not be answered; the device asks again', { deviceId, request: name, error });
      failSpan(span, error);
      onRequest('failed');
    }
  }

  async function answer({ frames, offer }: Asked): Promise<void> {
    if (offer !== undefined) {
      await carried('offer request', offer.asker, () => answerOffer(offer.request, offer.asker));
    }
    const last = frames.at(-1);
    for (const { request, asker, enqueuedMs } of frames) {
      if (clock.now() - enqueuedMs > maxAgeMs) {
        onRequest('too_old');
        continue;
      }
      // A request names only frames that are not on their way already, so the one before it in the same object still counts.
      if (last === undefined || !sameObject(request, last.request)) {
        onRequest('superseded');
        continue;
      }
      await carried('frame request', asker, async () => (await answerFrames(request, asker)).kind);
    }
  }

  return async (messages) => {
    await Promise.all([...sort(messages).values()].map(answer));
  };
}

const sameObject = (a: FrameRequest, b: FrameRequest): boolean =>
  a.transferId === b.transferId && Buffer.compare(a.objectDigest, b.objectDigest) === 0;
