/** How assignments are shown. */
import {
  Carrier,
  ContentOrigin,
  StepResult,
  UpdateOutcome,
  type UpdateResult,
  UpdateStep,
} from '@iotdh/proto/bus/v1';
import { type Assignment, AssignmentSchema, AssignmentState, CarrierPolicy } from '@iotdh/proto/fleet/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
import type { View } from '../output/format.ts';
import { enumText, timeText } from '../output/words.ts';
import { sizeText } from '../quantities.ts';
import type { Terminal } from '../terminal.ts';

/** `applied`, `taken_back: check of carto: port 8080 …`. */
export function resultText(result: UpdateResult | undefined): string {
  if (result === undefined) return '';
  const outcome = enumText(UpdateOutcome, result.outcome);
  const failed = result.steps.find((step) => step.result === StepResult.FAILED);
  if (failed === undefined) return outcome;
  const subject = failed.subject === '' ? '' : ` of ${failed.subject}`;
  return `${outcome}: ${enumText(UpdateStep, failed.step)}${subject}: ${failed.detail || 'failed'}`;
}

/** Whether the pack itself runs now: not when its fallback had to be applied. */
export function isApplied({ result, fallbackPackId }: Assignment): boolean {
  const fellBack = fallbackPackId !== '' && result?.kind === UpdateKind.BASE;
  return result?.outcome === UpdateOutcome.APPLIED && !fellBack;
}

export const isEnded = ({ state }: Assignment): boolean => state === AssignmentState.ENDED;

export function assignmentText(assignment: Assignment, terminal: Terminal): string {
  const state = enumText(AssignmentState, assignment.state);
  if (!isEnded(assignment)) return state;
  return terminal.style(
    isApplied(assignment) ? 'green' : 'red',
    enumText(UpdateOutcome, assignment.result?.outcome),
  );
}

function progressText({ progress }: Assignment): string {
  if (progress === undefined) return '';
  if (progress.totalBytes === 0n) return sizeText(progress.receivedBytes);
  const percent = (progress.receivedBytes * 100n) / progress.totalBytes;
  return `${percent} % of ${sizeText(progress.totalBytes)}`;
}

/** `2.7 MB carried, 248 MB saved; whole 3, delta 212`. */
function broughtText({ result }: Assignment): string {
  if (result === undefined || result.origins.length === 0) return '';
  const { carriedBytes, savedBytes, origins } = result;
  const ways = origins
    .filter(({ contents }) => contents > 0)
    .map(({ origin, contents }) => `${enumText(ContentOrigin, origin)} ${contents}`);
  return [`${sizeText(carriedBytes)} carried, ${sizeText(savedBytes)} saved`, ways.join(', ')]
    .filter(Boolean)
    .join('; ');
}

const carriersText = ({ carrierPolicy, result }: Assignment): string =>
  [
    enumText(CarrierPolicy, carrierPolicy),
    ...(result?.carriers ?? []).map(
      ({ carrier, bytes }) => `${enumText(Carrier, carrier)} ${sizeText(bytes)}`,
    ),
  ].join(', ');

export const assignmentView: View<typeof AssignmentSchema> = {
  schema: AssignmentSchema,
  name: ({ assignmentId }) => assignmentId,
  columns: [
    { header: 'ASSIGNMENT', value: ({ assignmentId }) => assignmentId },
    { header: 'DEVICE', value: ({ deviceId }) => deviceId },
    { header: 'PACK ID', value: ({ packId }) => packId },
    { header: 'STATE', value: assignmentText },
    { header: 'RECEIVED', value: progressText },
    { header: 'SINCE', value: ({ stateTime }) => timeText(stateTime) },
    { header: 'BY', value: ({ creator }) => creator },
  ],
  details: [
    { header: 'Assignment', value: ({ assignmentId }) => assignmentId },
    { header: 'Device', value: ({ deviceId }) => deviceId },
    { header: 'Pack id', value: ({ packId }) => packId },
    { header: 'Fallback', value: ({ fallbackPackId }) => fallbackPackId },
    { header: 'State', value: assignmentText },
    { header: 'Since', value: ({ stateTime }) => timeText(stateTime) },
    { header: 'Received', value: progressText },
    { header: 'Carrier', value: carriersText },
    { header: 'Brought', value: broughtText },
    { header: 'Result', value: ({ result }) => resultText(result) },
    {
      header: 'Steps',
      value: ({ result }) =>
        result?.steps
          .map(({ step, subject, result: how, detail }) =>
            [enumText(UpdateStep, step), subject, enumText(StepResult, how), detail]
              .filter(Boolean)
              .join(' '),
          )
          .join('\n') ?? '',
    },
    { header: 'Not before', value: ({ notBefore }) => timeText(notBefore) },
    { header: 'Not after', value: ({ notAfter }) => timeText(notAfter) },
    { header: 'Made', value: ({ createTime, creator }) => `${timeText(createTime)} by ${creator}` },
  ],
};
