/** `iotdh assign` and `iotdh assignment …`. */
import { randomUUID } from 'node:crypto';
import { AssignmentState, CarrierPolicy } from '@iotdh/proto/fleet/v1';
import { findPack } from '../connection/find-pack.ts';
import { readPages } from '../connection/pages.ts';
import { printList, printOne } from '../output/format.ts';
import { assignmentView } from '../views/assignment.ts';
import { type Context, noteMore } from './context.ts';
import { comingInstantOf, enumValue } from './words.ts';

export type AssignOptions = { fallback?: string; notBefore?: string; notAfter?: string; carrier?: string };

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
  const { assignments } = await fleet.assignments.createAssignments(
    {
      packId: pack.packId,
      deviceIds: [...deviceIds],
      fallbackPackId: fallback?.packId ?? '',
      ...(notBefore !== undefined && { notBefore: comingInstantOf(notBefore, now) }),
      ...(notAfter !== undefined && { notAfter: comingInstantOf(notAfter, now) }),
      carrierPolicy: enumValue(CarrierPolicy, options.carrier ?? 'auto'),
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
