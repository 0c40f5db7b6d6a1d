/** How the account of the hub's quota is shown. */
import { type Quota, type QuotaLease, QuotaSchema, type QuotaUse } from '@iotdh/proto/fleet/v1';
import type { View } from '../output/format.ts';
import { agoText, timeText } from '../output/words.ts';
import { countText } from '../quantities.ts';
import { hubText } from './plan.ts';

const useText = (use: QuotaUse | undefined): string =>
  `${countText(use?.units ?? 0n)} units in ${countText(use?.messages ?? 0n)} messages`;
const limited = (limit: bigint, text: string): string => (limit === 0n ? 'no limit' : text);

function leaseText(
  { replicaId, messages, frameUnits, waitingCommands, waitingFrames, time }: QuotaLease,
  now: Date,
) {
  return [
    replicaId,
    `${messages} messages and ${frameUnits} units set aside`,
    `${waitingCommands} commands and ${waitingFrames} frames wait`,
    agoText(time, now),
  ].join(', ');
}

const nowOf = ({ time }: Quota): Date => new Date(Number(time?.seconds ?? 0n) * 1_000);

export const quotaView: View<typeof QuotaSchema> = {
  schema: QuotaSchema,
  name: ({ hub }) => hubText(hub),
  columns: [],
  details: [
    { header: 'Hub', value: ({ hub }) => hubText(hub) },
    {
      header: 'Shares',
      value: ({ shares, sharesSet }) =>
        `${shares?.ratePercent} % of the rate, ${shares?.dailyPercent} % of the day for frames, ${sharesSet ? 'as set by an operator' : 'as in the settings'}`,
    },
    {
      header: 'Rate',
      value: ({ messagesPerMinute }) =>
        limited(messagesPerMinute, `${countText(messagesPerMinute)} C2D messages a minute, commands first`),
    },
    {
      header: 'Day',
      value: ({ unitsPerDay, resetTime }) =>
        `${limited(unitsPerDay, `${countText(unitsPerDay)} units of 4 KiB`)}, anew at ${timeText(resetTime)} UTC`,
    },
    { header: 'Commands', value: ({ commands }) => useText(commands) },
    {
      header: 'Frames',
      value: ({ frames, frameUnitsPerDay, frameUnitsLeft }) =>
        `${useText(frames)}; ${limited(frameUnitsPerDay, `${countText(frameUnitsLeft)} of ${countText(frameUnitsPerDay)} units left`)}`,
    },
    { header: 'Telemetry', value: ({ telemetry }) => `about ${useText(telemetry)}` },
    {
      header: 'Used up',
      value: ({ exhaustionTime }) =>
        exhaustionTime === undefined ? '' : `at ${timeText(exhaustionTime)} UTC, at today’s pace`,
    },
    {
      header: 'Refused',
      value: ({ refusedUntilTime }) =>
        refusedUntilTime === undefined
          ? ''
          : `the hub has used up its day; tried again at ${timeText(refusedUntilTime)} UTC`,
    },
    {
      header: 'Replicas',
      value: (quota) => quota.leases.map((lease) => leaseText(lease, nowOf(quota))).join('\n'),
    },
  ],
};
