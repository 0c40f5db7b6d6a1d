/**
 * Each request is carried out once: what has a request id is remembered with its answer for a day, also over a crash in
 * the middle, and a repetition gets that answer.
 */
import { createHash } from 'node:crypto';
import {
  clone,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type JsonValue,
  type MessageShape,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import type { Clock } from './clock.ts';
import { done, type Outcome } from './refusal.ts';
import type { HostStore } from './store/open-store.ts';

/** What carrying out a request has to do for itself. */
export type Once = {
  /** A crash interrupted this request before: what it was to change may have changed already. */
  again: boolean;
  /** Writes down that the request is being carried out, with what `work` writes. False: the disk is full. */
  begin(work: () => void): boolean;
  /** Writes down what ends the request, with its answer. */
  end(work: () => void): boolean;
  /** Takes back what `begin` wrote, as `work` does, for a request that was refused after all. */
  cancel(work: () => void): boolean;
};

type Request<Desc extends DescMessage> = MessageShape<Desc> & { requestId: string };

export type Answers = {
  /**
   * Carries `request` out unless it was carried out before. `carryOut` returns the answer and calls `end` with what makes
   * it final; refusals are not remembered, so a repetition of a refused request is considered anew.
   */
  once<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: Request<I>,
    carryOut: (once: Once, keep: (answer: MessageShape<O>) => void) => Promise<Outcome<MessageShape<O>>>,
  ): Promise<Outcome<MessageShape<O>>>;
};

/** How long answers are kept, at least: what the contract promises. */
const keptForMs = 24 * 60 * 60 * 1000;

export function createAnswers({ store, clock }: { store: HostStore; clock: Clock }): Answers {
  const { answers } = store;
  return {
    async once(method, request, carryOut) {
      const { requestId } = request;
      if (requestId === '') {
        const once: Once = { again: false, begin: store.write, end: store.write, cancel: store.write };
        return carryOut(once, () => undefined);
      }
      const digest = digestOf(method, request);
      const found = answers.find(requestId);
      if (found !== null && !digest.equals(found.digest)) {
        return { kind: 'request_id_reused', requestId, timeMs: found.timeMs };
      }
      if (found !== null && found.response !== null) return done(fromBinary(method.output, found.response));

      const timeMs = found?.timeMs ?? clock.now();
      let response: Uint8Array | null = null;
      const write = (work: () => void) =>
        store.write(() => {
          work();
          answers.removeBefore(clock.now() - keptForMs);
          answers.put(requestId, { digest, timeMs, response });
        });
      const once: Once = {
        again: found !== null,
        begin: write,
        end: write,
        cancel: (work) =>
          store.write(() => {
            work();
            answers.remove(requestId);
          }),
      };
      return carryOut(once, (answer) => {
        response = toBinary(method.output, answer);
      });
    },
  };
}

/** Over the content, whatever the order in which a client writes the entries of a map. */
function digestOf<I extends DescMessage>(method: DescMethodUnary<I>, request: Request<I>): Buffer {
  const content = Object.assign(clone(method.input, request), { requestId: '' });
  const text = canonical(toJson(method.input, content));
  return createHash('sha256').update(`${method.name} ${text}`).digest();
}

function canonical(value: JsonValue): string {
  return JSON.stringify(value, (_name, member: JsonValue) => {
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return member;
    return Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
