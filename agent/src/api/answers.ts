/**
 * Each request is carried out once: its answer is written in the transaction of what it changes and remembered for a day,
 * and a repetition gets that answer, also after a crash.
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
import type { AnswerTable, StoredAnswer } from './store/answer-table.ts';

type Request<Desc extends DescMessage> = MessageShape<Desc> & { requestId: string };

export type Answers = {
  /**
   * Carries `request` out unless it was carried out before. `carryOut` returns the answer and calls `keep` with it within the
   * transaction that carries the request out, in the file of `table`. Refusals are not remembered, so a repetition of a
   * refused request is considered anew.
   */
  once<I extends DescMessage, O extends DescMessage>(
    table: AnswerTable,
    method: DescMethodUnary<I, O>,
    request: Request<I>,
    carryOut: (keep: (answer: MessageShape<O>) => void) => Promise<Outcome<MessageShape<O>>>,
  ): Promise<Outcome<MessageShape<O>>>;
};

/** How long answers are kept, at least: what the contract promises. */
const keptForMs = 24 * 60 * 60 * 1000;

/** `tables`: all in which an answer may be, so that no request id is used twice. */
export function createAnswers({ tables, clock }: { tables: readonly AnswerTable[]; clock: Clock }): Answers {
  function find(requestId: string): StoredAnswer | null {
    for (const table of tables) {
      const found = table.find(requestId);
      if (found !== null) return found;
    }
    return null;
  }

  return {
    async once(table, method, request, carryOut) {
      const { requestId } = request;
      if (requestId === '') return carryOut(() => undefined);
      const digest = digestOf(method, request);
      const found = find(requestId);
      if (found !== null && !digest.equals(found.digest)) {
        return { kind: 'request_id_reused', requestId, timeMs: found.timeMs };
      }
      if (found !== null) return done(fromBinary(method.output, found.response));
      return carryOut((answer) => {
        const timeMs = clock.now();
        table.removeOutside(timeMs - keptForMs, timeMs + keptForMs);
        table.put(requestId, { digest, timeMs, response: toBinary(method.output, answer) });
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
