/** What an operator sees of the fleet, as lines of the demo. */
import { State } from '@iotdh/proto/agent/v1';
import { StepResult, UpdateOutcome, type UpdateResult } from '@iotdh/proto/bus/v1';
import { type Assignment, AssignmentState, Connectivity, type FleetEvent } from '@iotdh/proto/fleet/v1';
import type { Screen } from './screen.ts';
import { megabytes } from './words.ts';

/** Names of enum values as people write them. */
export const wordsOf = (names: Readonly<Record<string, string | number>>, value: number): string =>
  (Object.keys(names).find((name) => names[name] === value) ?? 'unknown').toLowerCase().replaceAll('_', ' ');

const stateOf = (state: State): string =>
  Object.keys(State).find((name) => State[name as keyof typeof State] === state) ?? '';

function resultOf({ outcome, steps, carriedBytes }: UpdateResult): string {
  const carried = carriedBytes > 0n ? `, ${megabytes(Number(carriedBytes))} carried` : '';
  const failed = steps.find(({ result }) => result === StepResult.FAILED);
  return `${wordsOf(UpdateOutcome, outcome)}${carried}${failed === undefined ? '' : `, because ${failed.detail}`}`;
}

/** Tells of one device; of the others only that they are there. */
export function createOperatorTeller(screen: Screen, deviceId: string): (event: FleetEvent) => void {
  const tell = (text: string) => screen.event('operator', text);
  const connected = new Set<string>();
  const assignments = new Map<string, AssignmentState>();
  const results = new Set<string>();
  let isAssigned = false;

  function tellAssignment({ assignmentId, state, result }: Assignment): void {
    if (assignments.get(assignmentId) !== state) tell(`assignment ${wordsOf(AssignmentState, state)}`);
    assignments.set(assignmentId, state);
    isAssigned = state !== AssignmentState.WAITING && state !== AssignmentState.ENDED;
    if (result === undefined) return;
    // It stays with the assignment while the BASE goes on.
    const name = `${assignmentId}/${result.kind}`;
    if (!results.has(name)) tell(`result: ${resultOf(result)}`);
    results.add(name);
  }

  return (event) => {
    const { kind } = event;
    if (kind.case === 'device' && kind.value.connectivity === Connectivity.CONNECTED) {
      if (!connected.has(event.deviceId)) tell(`${event.deviceId} is connected`);
      connected.add(event.deviceId);
    }
    if (event.deviceId !== deviceId) return;
    // While an assignment goes on, its own state says the same.
    if (kind.case === 'stateChanged' && !isAssigned) tell(`sees ${stateOf(kind.value.to)}`);
    if (kind.case === 'assignment') tellAssignment(kind.value);
    if (kind.case === 'consent') tell(`the consent of ${kind.value.person?.name ?? 'nobody'} is on record`);
  };
}
