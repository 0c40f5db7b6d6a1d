/** How an update ended, as the cloud is told. */
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  Carrier,
  ContentOrigin,
  type StepOutcome,
  StepOutcomeSchema,
  StepResult,
  UpdateOutcome,
  type UpdateResult,
  UpdateResultSchema,
  UpdateStep,
} from '@iotdh/proto/bus/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
import type { Inventory } from '../inventory/inventory.ts';
import type { Target } from '../machine/update.ts';
import { assignmentOf, type HalfEnd, sourceOf, type UpdateRecord } from '../updates/record.ts';

export type Ended = {
  ending: HalfEnd['ending'] | 'cancelled';
  reason: string;
  steps: readonly StepOutcome[];
};

const outcomes: Record<Ended['ending'], UpdateOutcome> = {
  applied: UpdateOutcome.APPLIED,
  taken_back: UpdateOutcome.TAKEN_BACK,
  failed: UpdateOutcome.FAILED,
  refused: UpdateOutcome.REFUSED,
  not_received: UpdateOutcome.FAILED,
  cancelled: UpdateOutcome.CANCELLED,
};

const origins: Readonly<Record<string, ContentOrigin>> = {
  local: ContentOrigin.LOCAL,
  delta: ContentOrigin.DELTA,
  chunks: ContentOrigin.CHUNKS,
  whole: ContentOrigin.WHOLE,
};
const carriers: Readonly<Record<string, Carrier>> = {
  bus: Carrier.BUS,
  https: Carrier.HTTPS,
  offline: Carrier.OFFLINE,
};

const maxSteps = 500;
const maxDetailLength = 1000;

/** The result of one half. A half that nobody ever assigned is told under the manifest of the other. */
export function resultOf(
  record: UpdateRecord,
  target: Target,
  ended: Ended,
  { inventory, now }: { inventory: Inventory; now: () => number },
): UpdateResult {
  const source = sourceOf(record, target) ?? sourceOf(record, 'patch');
  const half = record[target];
  const steps = ended.steps.length > 0 ? ended.steps : [stepFor(ended)];
  return create(UpdateResultSchema, {
    assignmentId: assignmentOf(record, target),
    transferId: source?.transferId ?? record.offer.transferId,
    manifestDigest: source?.ref.digest ?? new Uint8Array(32),
    kind: source?.ref.kind ?? UpdateKind.PATCH,
    outcome: outcomes[ended.ending],
    // The beginning and the end tell more than the middle.
    steps: steps.length <= maxSteps ? [...steps] : [...steps.slice(0, 50), ...steps.slice(50 - maxSteps)],
    time: timestampFromMs(now()),
    inventory: inventory.products(),
    carriedBytes: BigInt(half.carriedBytes),
    savedBytes: BigInt(half.savedBytes),
    origins: half.origins.map(({ origin, contents, contentBytes, carriedBytes }) => ({
      origin: origins[origin] ?? ContentOrigin.WHOLE,
      contents,
      contentBytes: BigInt(contentBytes),
      carriedBytes: BigInt(carriedBytes),
    })),
    carriers: half.carriers.map(({ carrier, bytes }) => ({
      carrier: carriers[carrier] ?? Carrier.BUS,
      bytes: BigInt(bytes),
    })),
  });
}

/** The one step that says it all when nothing else is known. */
export function stepFor({ ending, reason }: Pick<Ended, 'ending' | 'reason'>): StepOutcome {
  const step = {
    applied: UpdateStep.COMMIT,
    taken_back: UpdateStep.UNDO,
    failed: UpdateStep.APPLY,
    refused: UpdateStep.PREFLIGHT,
    not_received: UpdateStep.TRANSFER,
    cancelled: UpdateStep.APPLY,
  }[ending];
  const result =
    ending === 'applied' || ending === 'taken_back'
      ? StepResult.OK
      : ending === 'cancelled'
        ? StepResult.SKIPPED
        : StepResult.FAILED;
  return create(StepOutcomeSchema, { step, result, detail: reason.slice(0, maxDetailLength) });
}
