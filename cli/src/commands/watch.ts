/** `iotdh watch`: an assignment until it ends, or whatever happens. */
import { toJson } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import {
  type Assignment,
  AssignmentSchema,
  AssignmentState,
  EventTopic,
  FleetEventSchema,
} from '@iotdh/proto/fleet/v1';
import { uuidPattern } from '../connection/find-pack.ts';
import { followEvents } from '../connection/follow-events.ts';
import { isUnreachable } from '../connection/rpc-failure.ts';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { createProgressBar } from '../output/progress-bar.ts';
import { enumText } from '../output/words.ts';
import { parseDuration } from '../quantities.ts';
import { isApplied, isEnded, resultText } from '../views/assignment.ts';
import { eventText } from '../views/event.ts';
import type { Context } from './context.ts';

export type WatchOptions = { exitStatus?: boolean; timeout?: string };

/** Resolves to the exit code. */
export async function watch(
  context: Context,
  subject: string | undefined,
  options: WatchOptions,
): Promise<number> {
  const timeoutMs = options.timeout === undefined ? undefined : parseDuration(options.timeout);
  if (options.timeout !== undefined && timeoutMs === undefined) {
    throw new Failure(exitCode.usage, `${options.timeout} is no duration: write 90s, 10m or 2h`);
  }
  const timeout = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  const signal = AbortSignal.any([context.terminal.signal, ...(timeout ? [timeout] : [])]);
  const found = await findSubject(context, subject, options.exitStatus ?? false);
  const ended =
    found.kind === 'assignment'
      ? await followAssignment(context, found.assignment, signal)
      : await followEverything(context, found.deviceIds, signal);
  if (ended === undefined) {
    if (context.terminal.signal.aborted) return exitCode.interrupted;
    if (found.kind !== 'assignment') return exitCode.timeout;
    const { assignmentId } = found.assignment;
    throw new Failure(
      exitCode.timeout,
      `assignment ${assignmentId} has not ended within ${options.timeout}`,
      {
        next: `It goes on. See it with: iotdh assignment get ${assignmentId}`,
      },
    );
  }
  return options.exitStatus === true && !isApplied(ended) ? exitCode.failed : exitCode.ok;
}

type Subject = { kind: 'assignment'; assignment: Assignment } | { kind: 'events'; deviceIds: string[] };

/** What looks like an id of an assignment may also be a device's. */
async function findSubject(
  { fleet, terminal: { signal } }: Context,
  subject: string | undefined,
  needsAssignment: boolean,
): Promise<Subject> {
  if (subject === undefined) {
    if (needsAssignment)
      throw new Failure(exitCode.usage, '--exit-status needs an assignment or a device to watch');
    return { kind: 'events', deviceIds: [] };
  }
  if (uuidPattern.test(subject)) {
    try {
      const { assignment } = await fleet.assignments.getAssignment({ assignmentId: subject }, { signal });
      if (assignment !== undefined) return { kind: 'assignment', assignment };
    } catch (error) {
      if (!(error instanceof ConnectError) || error.code !== Code.NotFound) throw error;
    }
  }
  const { device } = await fleet.devices.getDevice({ deviceId: subject }, { signal });
  const deviceId = device?.deviceId ?? subject;
  const goesOn = Object.values(AssignmentState).filter(
    (state) => state !== AssignmentState.UNSPECIFIED && state !== AssignmentState.ENDED,
  );
  const page = await fleet.assignments.listAssignments({ deviceId, states: goesOn, pageSize: 1 }, { signal });
  const [assignment] = page.assignments;
  if (assignment !== undefined) return { kind: 'assignment', assignment };
  if (needsAssignment) {
    throw new Failure(exitCode.notFound, `device ${deviceId} has no assignment that goes on`, {
      next: `See those that ended with: iotdh assignment list --device ${deviceId}`,
    });
  }
  return { kind: 'events', deviceIds: [deviceId] };
}

/** The assignment once it ended; undefined when the signal came first. */
async function followAssignment(
  context: Context,
  first: Assignment,
  signal: AbortSignal,
): Promise<Assignment | undefined> {
  const { terminal, fleet } = context;
  const { assignmentId, deviceId } = first;
  const show = createAssignmentDisplay(context);
  try {
    show.update(first);
    if (isEnded(first)) return first;
    const followed = followEvents({
      events: fleet.events,
      topics: [EventTopic.ASSIGNMENT],
      deviceIds: [deviceId],
      signal,
      wait: terminal.wait,
      onLink: show.link,
    });
    for await (const one of followed) {
      let latest: Assignment | undefined;
      if (one.kind === 'event') {
        const { kind } = one.event;
        if (kind.case === 'assignment' && kind.value.assignmentId === assignmentId) latest = kind.value;
      } else {
        // What happened before the stream began, and a word that was lost, are in the assignment itself.
        latest = await fleet.assignments.getAssignment({ assignmentId }, { signal }).then(
          ({ assignment }) => assignment,
          (error: unknown) => {
            if (signal.aborted || isUnreachable(error)) return undefined;
            throw error;
          },
        );
      }
      if (latest === undefined) continue;
      show.update(latest);
      if (isEnded(latest)) return latest;
    }
    return undefined;
  } finally {
    show.end();
  }
}

/** A bar and a line for each change for a person, a line of JSON for a program. */
function createAssignmentDisplay({ terminal, format }: Context) {
  const bar = createProgressBar(terminal);
  let shownState = '';
  let shownJson = '';
  const line = (text: string) => {
    bar.clear();
    terminal.out(`${terminal.now().toISOString().slice(11, 19)}  ${text}\n`);
  };
  return {
    update(assignment: Assignment) {
      if (format !== 'table') {
        const json = JSON.stringify(toJson(AssignmentSchema, assignment));
        if (json !== shownJson)
          terminal.out(format === 'name' ? `${assignment.assignmentId}\n` : `${json}\n`);
        shownJson = json;
        return;
      }
      const { state, progress, deviceId } = assignment;
      const result = resultText(assignment.result);
      const stateText = isEnded(assignment)
        ? terminal.style(isApplied(assignment) ? 'green' : 'red', result)
        : `${enumText(AssignmentState, state)}${result === '' ? '' : ` its fallback, because the PATCH was ${result}`}`;
      if (stateText !== shownState) line(`${deviceId}  ${stateText}`);
      shownState = stateText;
      if (state === AssignmentState.IN_TRANSIT && progress !== undefined) {
        bar.update(Number(progress.receivedBytes), Number(progress.totalBytes), deviceId);
      } else bar.clear();
    },
    link(link: 'lost' | 'back') {
      bar.clear();
      terminal.note(
        link === 'lost' ? 'The fleet is not reached; trying again …' : 'The fleet is reached again.',
      );
    },
    end: () => bar.clear(),
  };
}

async function followEverything(
  { terminal, fleet, format }: Context,
  deviceIds: string[],
  signal: AbortSignal,
): Promise<undefined> {
  const followed = followEvents({
    events: fleet.events,
    topics: [],
    deviceIds,
    signal,
    wait: terminal.wait,
    onLink: (link) =>
      terminal.note(
        link === 'lost' ? 'The fleet is not reached; trying again …' : 'The fleet is reached again.',
      ),
  });
  for await (const one of followed) {
    if (one.kind === 'gap') terminal.note('Some events were missed: the fleet no longer has them.');
    if (one.kind !== 'event') continue;
    if (format === 'table') terminal.out(`${eventText(one.event)}\n`);
    else if (format === 'name') terminal.out(`${one.event.cursor}\n`);
    else terminal.out(`${JSON.stringify(toJson(FleetEventSchema, one.event))}\n`);
  }
  return undefined;
}
