/** Where the slots stand, as a message and back. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type GetSlotsResponse, type GetSlotsResponseSchema, Slot } from '@iotdh/proto/host/v1';
import type { SlotName, Spare } from '../slots/boot-environment.ts';
import type { Inspection } from '../slots/slots.ts';

const slotOf = { a: Slot.A, b: Slot.B } as const;
const nameOf = (slot: Slot): SlotName => (slot === Slot.A ? 'a' : 'b');

export function stateOf({
  booted,
  environment,
}: Inspection): MessageInitShape<typeof GetSlotsResponseSchema> {
  const { good, spare, trial, last } = environment;
  return {
    ...{ booted: slotOf[booted], good: slotOf[good] },
    ...(spare.kind === 'whole' && { spare: { content: spare.content, whole: true } }),
    ...(spare.kind === 'writing' && { spare: { content: spare.content, partitions: [...spare.partitions] } }),
    ...(trial !== null && { trial, triesLeft: trial.triesLeft }),
    ...(last !== null && { last }),
  };
}

export function inspectionOf(state: GetSlotsResponse): Inspection {
  const { booted, good, trial, triesLeft, last } = state;
  return {
    booted: nameOf(booted),
    environment: {
      version: 1,
      good: nameOf(good),
      spare: spareOf(state),
      trial:
        trial === undefined
          ? null
          : { job: trial.job, content: trial.content, armedIn: trial.armedIn, triesLeft },
      last: last === undefined ? null : { job: last.job, proven: last.proven },
    },
  };
}

function spareOf({ spare }: GetSlotsResponse): Spare {
  if (spare === undefined) return { kind: 'void' };
  const { content, whole, partitions } = spare;
  return whole ? { kind: 'whole', content } : { kind: 'writing', content, partitions };
}
