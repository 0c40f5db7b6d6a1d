/** The pending update in the contract's words. */
import { create } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type PendingUpdate,
  PendingUpdateSchema,
  type TransferProgress,
  TransferProgressSchema,
} from '@iotdh/proto/agent/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
import type { State } from '../machine/table.ts';
import type { Decision, Update } from '../machine/update.ts';
import { digestFromHex } from './names.ts';
import type { UpdateView } from './port.ts';

/** `decision` counts only if it is about this very manifest. */
export function pendingUpdateOf(update: Update, decision: Decision | null, view: UpdateView): PendingUpdate {
  const { name, title, summary, changes, expectedDurationMs, restartsMachine } = view.describe(update);
  const answer = decision?.manifestDigest === update.manifest.digest ? decision : null;
  const until = answer?.answer === 'postpone' ? answer.untilMs : null;
  return create(PendingUpdateSchema, {
    manifestDigest: digestFromHex(update.manifest.digest),
    kind: update.target === 'patch' ? UpdateKind.PATCH : UpdateKind.BASE,
    name: name || update.updateId.slice(0, 64),
    version: update.manifest.version.slice(0, 64),
    title,
    summary,
    changes: [...changes],
    ...(expectedDurationMs === null ? {} : { expectedDuration: durationFromMs(expectedDurationMs) }),
    restartsMachine,
    ...(until === null ? {} : { postponedUntil: timestampFromMs(until) }),
    declined: answer?.answer === 'decline',
  });
}

/** What a state that has left the transfer behind has received is everything. */
export function progressOf(state: State, update: Update, view: UpdateView): TransferProgress {
  const { receivedBytes, totalBytes } = view.progress(update);
  const complete = /^(READY_WITH|WAIT_CONFIRM_|APPLYING_)/.test(state);
  const received = complete ? totalBytes : receivedBytes;
  return create(TransferProgressSchema, {
    receivedBytes: BigInt(totalBytes === 0 ? received : Math.min(received, totalBytes)),
    totalBytes: BigInt(totalBytes),
  });
}
