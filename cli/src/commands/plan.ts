/** `iotdh plan`: what an update will take, before anybody approves it. */
import { type JsonValue, toJson } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { Carrier } from '@iotdh/proto/bus/v1';
import { HubSku, type Pack, PlanSchema } from '@iotdh/proto/fleet/v1';
import { findPack } from '../connection/find-pack.ts';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { printJson } from '../output/format.ts';
import { parseDuration } from '../quantities.ts';
import { planText } from '../views/plan.ts';
import type { Context } from './context.ts';
import { enumValue, labelsOf } from './words.ts';

export type PlanOptions = {
  all?: boolean;
  site?: string[];
  label?: string[];
  sku?: string;
  units?: number;
  carrier: string;
  resend: number;
  within?: string;
};

export async function plan(
  { terminal, fleet, format }: Context,
  word: string,
  deviceIds: readonly string[],
  options: PlanOptions,
): Promise<void> {
  const { signal } = terminal;
  const { site = [], label = [], all = false, carrier, within } = options;
  const selects = deviceIds.length + site.length + label.length;
  if (all === selects > 0) {
    throw new Failure(
      exitCode.usage,
      all ? '--all goes without devices, sites and labels' : 'for which devices is not said',
      { next: 'Name devices, or say --site, --label or --all.' },
    );
  }
  const withinMs = within === undefined ? undefined : parseDuration(within);
  if (within !== undefined && withinMs === undefined) {
    throw new Failure(exitCode.usage, `${within} is no duration: write 12h, or 7d`);
  }
  const pack = await findPack(fleet, word, { assignable: true, signal });
  const { plan: found } = await fleet.plans.planUpdate(
    {
      packId: pack.packId,
      devices: { deviceIds: [...deviceIds], sites: site, labels: labelsOf(label) },
      ...hubGiven(options),
      carriers: carrier === 'auto' ? [] : [enumValue(Carrier, carrier)],
      resendPercent: options.resend,
      ...(withinMs !== undefined && { finishWithin: durationFromMs(withinMs) }),
    },
    { signal },
  );
  if (found === undefined) return;
  if (format === 'name') terminal.out(`${found.packId}\n`);
  else if (format !== 'table') await printJson(terminal, format, toJson(PlanSchema, found) as JsonValue);
  else {
    terminal.out(planText(found, nameOf(pack), terminal));
    if (withinMs !== undefined && found.choices.length === 0)
      terminal.note(`No hub does it within ${within} by the bus: give it more time, or another carrier.`);
  }
}

export const nameOf = ({ manifest }: Pack): string => `${manifest?.name}@${manifest?.version}`;

function hubGiven({ sku, units }: PlanOptions) {
  if (sku === undefined) {
    if (units !== undefined) throw new Failure(exitCode.usage, '--units needs --sku');
    return {};
  }
  return { hub: { sku: enumValue(HubSku, sku), units: units ?? 1 } };
}
