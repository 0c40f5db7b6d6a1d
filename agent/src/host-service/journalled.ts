/** Operations that act: each is written down before it acts, and its end before it is told, so that one that is asked for twice acts once. */
import { createHash } from 'node:crypto';
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type Message,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { type ActionFailed, ActionFailedSchema } from '@iotdh/proto/host/v1';
import type { CallJournal } from './call-journal.ts';

/** How an operation ended: with its response, or tried and failed. */
export type Ended<Response> =
  | { kind: 'done'; response: Response }
  | { kind: 'failed'; reason: string; exitCode?: number; output?: string; installed?: readonly string[] }
  /** Cut short because the service stops. */
  | { kind: 'stopped' };

export type JournalledOptions = {
  journal: CallJournal;
  now: () => number;
  /** For tests: named places where the process may die. */
  onFailPoint?: (name: 'before_journal' | 'after_journal' | 'after_action' | 'after_outcome') => void;
};

export type Once = <Input extends DescMessage, Output extends DescMessage>(
  method: DescMethodUnary<Input, Output>,
  request: MessageShape<Input> & { operationId: string },
  /** Whether what was under way when the service died is brought to its end by doing it again. */
  repeatable: boolean,
  act: () => Promise<Ended<MessageInitShape<Output>>>,
) => Promise<MessageShape<Output>>;

const caller = 'agent';
const maxOutput = 60_000;
/** The first byte of an outcome in the journal. */
const succeeded = 0;
const didFail = 1;

export function createJournalled({ journal, now, onFailPoint }: JournalledOptions): Once {
  /** Also what has ended and found no room in the journal: whoever asks again while this process lives has its end from here. */
  const underWay = new Map<string, Promise<Uint8Array>>();

  async function end(operationId: string, act: () => Promise<Uint8Array>): Promise<Uint8Array> {
    let isKept = true;
    try {
      const outcome = await act();
      onFailPoint?.('after_action');
      isKept = journal.end(operationId, outcome, now());
      onFailPoint?.('after_outcome');
      return outcome;
    } finally {
      if (isKept) underWay.delete(operationId);
    }
  }

  return async (method, request, repeatable, act) => {
    const { operationId } = request;
    const input = toBinary(method.input, request);
    const digest = createHash('sha256').update(method.name).update(input).digest('hex');
    const found = journal.find(operationId, digest);
    if (found.kind === 'reused') {
      const message = `operation ${operationId} is another request's; use a new id`;
      throw new ConnectError(message, Code.InvalidArgument);
    }
    if (found.kind === 'ended') return told(method.output, found.outcome);
    const running = underWay.get(operationId);
    if (running !== undefined) return told(method.output, await running);
    if (found.kind === 'interrupted' && !repeatable) {
      const reason = `operation ${operationId} was under way when the host service ended; see how it ended`;
      throw failure({ reason, interrupted: true });
    }
    onFailPoint?.('before_journal');
    const call = { operationId, caller, method: method.name, digest, timeMs: now() };
    if (found.kind === 'new' && !journal.begin(call)) {
      const message = 'there is no room to write the call down, so nothing was done';
      throw new ConnectError(message, Code.ResourceExhausted);
    }
    onFailPoint?.('after_journal');
    const ending = end(operationId, async () => {
      const ended = await act();
      switch (ended.kind) {
        case 'done':
          return tagged(succeeded, method.output, create(method.output, ended.response));
        case 'failed':
          return tagged(didFail, ActionFailedSchema, failedOf(ended));
        case 'stopped':
          throw stops();
      }
    });
    underWay.set(operationId, ending);
    return told(method.output, await ending);
  };
}

/** The error of what is not journalled, because it changes nothing, in the same form. */
export function errorOf(ended: Exclude<Ended<unknown>, { kind: 'done' }>): ConnectError {
  return ended.kind === 'stopped' ? stops() : failure(failedOf(ended));
}

const stops = () => new ConnectError('the host service stops', Code.Unavailable);

function failedOf(ended: Extract<Ended<unknown>, { kind: 'failed' }>): ActionFailed {
  const { reason, exitCode, output = '', installed = [] } = ended;
  const value = { reason: reason.slice(0, 1000), output: endOf(output), updateIds: [...installed] };
  return create(ActionFailedSchema, exitCode === undefined ? value : { ...value, exitCode });
}

function tagged<Desc extends DescMessage>(tag: number, desc: Desc, message: MessageShape<Desc>): Uint8Array {
  return Buffer.concat([Uint8Array.of(tag), toBinary(desc, message)]);
}

/** The response of what was done; throws what failed. */
function told<Output extends DescMessage>(output: Output, outcome: Uint8Array): MessageShape<Output> {
  const bytes = outcome.subarray(1);
  if (outcome[0] === succeeded) return fromBinary(output, bytes);
  throw failure(fromBinary(ActionFailedSchema, bytes));
}

function failure(value: Omit<ActionFailed, keyof Message> | MessageInitShape<typeof ActionFailedSchema>) {
  return new ConnectError(value.reason ?? '', Code.Aborted, undefined, [{ desc: ActionFailedSchema, value }]);
}

/** Within the contract's limit in bytes, whatever its characters. */
export function endOf(output: string): string {
  const bytes = Buffer.from(output);
  if (bytes.length <= maxOutput) return output;
  return bytes.subarray(-maxOutput).toString('utf8').replaceAll('\ufffd', '');
}
