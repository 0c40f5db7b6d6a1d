/** `iotdh assign` and `iotdh assignment …`. */
import { randomUUID } from 'node:crypto';
import { durationMs } from '@bufbuild/protobuf/wkt';
import { Carrier } from '@iotdh/proto/bus/v1';
import { AssignmentState, CarrierPolicy, type Pack } from '@iotdh/proto/fleet/v1';
import { confirmed } from '../confirmed.ts';
import { findPack } from '../connection/find-pack.ts';
import { readPages } from '../connection/pages.ts';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { printList, printOne } from '../output/format.ts';
import { countText, sizeText } from '../quantities.ts';
import { assignmentView } from '../views/assignment.ts';
import { carriersText, type Predicted, timeOf, withoutHttpsText } from '../views/plan.ts';
import { type Context, noteMore } from './context.ts';
import { nameOf } from './plan.ts';
import { comingInstantOf, enumValue } from './words.ts';

export type AssignOptions = {
  fallback?: string;
  notBefore?: string;
  notAfter?: string;
  carrier?: string;
  yes?: boolean;
};

export async function assign(
  { terminal, fleet, format }: Context,
  word: string,
  deviceIds: readonly string[],
  options: AssignOptions,
): Promise<void> {
  const { signal } = terminal;
  const { notBefore, notAfter } = options;
  const now = terminal.now();
  const wanted = { assignable: true, signal };
  const pack = await findPack(fleet, word, wanted);
  const fallback =
    options.fallback === undefined ? undefined : await findPack(fleet, options.fallback, wanted);
  const carrierPolicy = enumValue(CarrierPolicy, options.carrier ?? 'auto');
  await approve({ terminal, fleet, format }, { pack, deviceIds, carrierPolicy }, options.yes === true);
  const { assignments } = await fleet.assignments.createAssignments(
    {
      packId: pack.packId,
      deviceIds: [...deviceIds],
      fallbackPackId: fallback?.packId ?? '',
      ...(notBefore !== undefined && { notBefore: comingInstantOf(notBefore, now) }),
      ...(notAfter !== undefined && { notAfter: comingInstantOf(notAfter, now) }),
      carrierPolicy,
      requestId: randomUUID(),
    },
    { signal },
  );
  await printList(terminal, format, assignmentView, assignments, '');
  const [first] = assignments;
  if (format === 'table' && first !== undefined) {
    terminal.note(`Next: iotdh watch ${first.assignmentId} --exit-status`);
  }
}

/** What occupies the hub for longer is not begun by a slip of the hand. */
const largeMs = 3_600_000;

/** The one carrier that a policy leaves. */
const carrierOf: Partial<Record<CarrierPolicy, Carrier>> = {
  [CarrierPolicy.BUS]: Carrier.BUS,
  [CarrierPolicy.HTTPS]: Carrier.HTTPS,
  [CarrierPolicy.OFFLINE]: Carrier.OFFLINE,
};

/** Says what the update takes, and asks when that is much. Throws a `Failure` when the answer is no. */
async function approve(
  { terminal, fleet, format }: Pick<Context, 'terminal' | 'fleet' | 'format'>,
  update: { pack: Pack; deviceIds: readonly string[]; carrierPolicy: CarrierPolicy },
  isApproved: boolean,
): Promise<void> {
  const { signal } = terminal;
  const { pack, deviceIds, carrierPolicy } = update;
  const held = carrierOf[carrierPolicy];
  const request = {
    packId: pack.packId,
    devices: { deviceIds: [...deviceIds] },
    carriers: held === undefined ? [Carrier.BUS, Carrier.HTTPS] : [held],
  };
  // What cannot be predicted, as by a fleet that has no planner yet, is assigned all the same.
  const planned = await fleet.plans.planUpdate(request, { signal }).catch(() => undefined);
  const auto = held === undefined ? planned?.plan?.auto : undefined;
  const byCarrier = planned?.plan?.carriers[0];
  const plan: Predicted | undefined = auto ?? byCarrier;
  if (plan === undefined) return;
  const parts = [
    sizeText(plan.objectBytes),
    `${countText(plan.traffic?.c2dMessages ?? 0n)} messages`,
    `${countText(plan.traffic?.c2dUnits ?? 0n)} units`,
    timeOf(plan),
  ];
  const isLarge = plan.duration !== undefined && durationMs(plan.duration) > largeMs;
  if (format === 'table' || isLarge) {
    terminal.note(
      `Plan: ${nameOf(pack)} to ${countText(deviceIds.length)} devices ${carriersText(auto ?? held ?? Carrier.BUS, deviceIds.length)}: ${parts.join(', ')}`,
    );
    if (auto !== undefined && auto.devicesWithoutHttps > 0n) terminal.note(withoutHttpsText(auto));
  }
  if (!isLarge || isApproved || (await confirmed(terminal, 'Assign it?'))) return;
  throw new Failure(exitCode.usage, 'nothing was assigned: this occupies the hub for long', {
    next: 'Say --yes to assign it without a question. See more with: iotdh plan',
  });
}

export type ListOptions = { device?: string; pack?: string; state?: string[]; limit: number };

export async function listAssignments(
  { terminal, fleet, format }: Context,
  options: ListOptions,
): Promise<void> {
  const { signal } = terminal;
  const { device = '', state = [], limit } = options;
  const packId =
    options.pack === undefined
      ? ''
      : (await findPack(fleet, options.pack, { assignable: false, signal })).packId;
  const states = state.map((word) => enumValue(AssignmentState, word));
  const { items, more } = await readPages(limit, async (pageSize, pageToken) => {
    const request = { deviceId: device, packId, states, pageSize, pageToken };
    const page = await fleet.assignments.listAssignments(request, { signal });
    return { items: page.assignments, nextPageToken: page.nextPageToken };
  });
  await printList(
    terminal,
    format,
    assignmentView,
    items,
    'There are no such assignments. Make one with: iotdh assign PACK DEVICE',
  );
  noteMore(terminal, more, limit);
}

export async function getAssignment(
  { terminal, fleet, format }: Context,
  assignmentId: string,
): Promise<void> {
  const { assignment } = await fleet.assignments.getAssignment({ assignmentId }, { signal: terminal.signal });
  if (assignment !== undefined) await printOne(terminal, format, assignmentView, assignment);
}

export async function cancelAssignment(
  { terminal, fleet, format }: Context,
  assignmentId: string,
  reason: string,
): Promise<void> {
  const { assignment } = await fleet.assignments.cancelAssignment(
    { assignmentId, reason },
    { signal: terminal.signal },
  );
  if (assignment !== undefined) await printOne(terminal, format, assignmentView, assignment);
}
