/** The story of the demo: a service pack reaches a workstation with a person's consent; the next one fails, and the BASE takes over. */
import { basename } from 'node:path';
import { State } from '@iotdh/proto/agent/v1';
import { UpdateOutcome } from '@iotdh/proto/bus/v1';
import { type Assignment, AssignmentState, Connectivity, type FleetEvent } from '@iotdh/proto/fleet/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
import type { FromHostApplication } from './host-application/lines.ts';
import type { Machine } from './machine/machine.ts';
import type { Descriptions } from './packs/author.ts';
import { type Cloud, simulated, workstation } from './stage.ts';
import type { Screen } from './story/screen.ts';
import { lastStayMs, type Outcome } from './story/tell-the-end.ts';
import { showQuestion } from './story/tell-workstation.ts';
import { limited, pause } from './waiting.ts';

export type Play = {
  screen: Screen;
  cloud: Cloud;
  machine: Machine;
  descriptions: Descriptions;
  /** Whether every question is answered with yes. */
  yes: boolean;
  signal: AbortSignal;
};

/** The person at the workstation does not want the update. */
export class Declined extends Error {
  override readonly name = 'Declined';
}

/** How long the examination goes on with a service pack waiting, in ms: long enough to see that nothing happens. */
const examinationMs = 2_000;
const { deviceId } = workstation;

/** Waits until the host application runs on the real workstation. */
export async function switchOn({ machine, signal }: Play): Promise<void> {
  await machine.powerOn();
  await machine.screen.find(changeTo('READY'), limited(signal, 'the workstation to be ready'));
}

/** Waits until the operator sees all workstations. */
export async function awaitTheFleet({ cloud, signal }: Play): Promise<void> {
  const within = limited(signal, 'the workstations to connect');
  const isConnected = (id: string) => (event: FleetEvent) =>
    event.deviceId === id &&
    event.kind.case === 'device' &&
    event.kind.value.connectivity === Connectivity.CONNECTED;
  const ids = [deviceId, ...simulated.map((one) => one.deviceId)];
  await Promise.all(ids.map((id) => cloud.operator.events.find(isConnected(id), within)));
}

export async function publishPacks({ screen, cloud, descriptions }: Play): Promise<void> {
  await Promise.all([
    publish(screen, cloud, descriptions.servicePack),
    publish(screen, cloud, descriptions.baseline),
  ]);
}

/** The service pack is assigned while an examination goes on, and applied after it. */
export async function applyServicePack(play: Play): Promise<Outcome> {
  const { machine, signal } = play;
  const within = limited(signal, 'the examination');
  const from = machine.screen.all.length;
  machine.tell({ kind: 'begin_examination' });
  await machine.screen.find(changeTo('BUSY'), within, from);
  const assignment = await assign(play, 'imaging-workstation@2026.7');
  await assignmentSeen(play, assignment, ({ state }) => state === AssignmentState.WAITING, within);
  await pause(examinationMs, signal);
  machine.tell({ kind: 'end_examination' });
  await consent(play, from);
  const outcome = await outcomeOf(play, assignment, UpdateKind.PATCH);
  if (outcome.result.outcome !== UpdateOutcome.APPLIED) throw new Error('the service pack was not applied');
  await machine.screen.find(({ kind }) => kind === 'runs', limited(signal, 'the new version'), from);
  return outcome;
}

/** The damaged pack arrives, fails its check and is taken back; the BASE that it falls back to is applied. */
export async function fallBackToBase(play: Play): Promise<Outcome[]> {
  const { screen, cloud, machine, descriptions } = play;
  await publish(screen, cloud, descriptions.damagedPack);
  const from = machine.screen.all.length;
  const assignment = await assign(
    play,
    'imaging-workstation@2026.8',
    ...['--fallback', 'imaging-workstation-baseline@2026.4'],
  );
  const asked = await consent(play, from);
  const patch = await outcomeOf(play, assignment, UpdateKind.PATCH);
  if (patch.result.outcome === UpdateOutcome.APPLIED) throw new Error('the damaged pack passed its check');
  await consent(play, asked + 1);
  const base = await outcomeOf(play, assignment, UpdateKind.BASE);
  if (base.result.outcome !== UpdateOutcome.APPLIED) throw new Error('the baseline was not applied');
  const ended = machine.screen.all.findLastIndex(({ kind }) => kind === 'answered');
  const within = limited(play.signal, 'the new version');
  await machine.screen.find(changeTo('READY'), within, ended);
  return [patch, base];
}

async function publish(screen: Screen, { commandLine }: Cloud, description: string): Promise<void> {
  const name = basename(description);
  const folder = description.replace(/\.yaml$/, '.pack');
  await screen.timed(`iotdh pack build ${name}`, () =>
    commandLine.run('pack', 'build', description, '--out', folder, '--level', '3'),
  );
  await screen.timed(`iotdh pack upload ${basename(folder)}`, () =>
    commandLine.run('pack', 'upload', folder),
  );
}

/** Resolves to the assignment's id. */
async function assign({ screen, cloud }: Play, pack: string, ...options: string[]): Promise<string> {
  screen.command(`iotdh assign ${[pack, deviceId, ...options].join(' ')}`);
  const assigned = (await cloud.commandLine.run('assign', pack, deviceId, ...options)) as {
    assignmentId: string;
  }[];
  return assigned[0]!.assignmentId;
}

/** Waits for the question, puts it to the person and passes the answer on. Resolves to where the question stands. */
async function consent({ screen, machine, yes, signal }: Play, from: number): Promise<number> {
  const isQuestion = (line: FromHostApplication) => line.kind === 'question';
  const line = await machine.screen.find(isQuestion, limited(signal, 'the question'), from);
  if (line.kind !== 'question') throw new Error('unreachable');
  showQuestion(screen, line.question);
  const answer = yes ? 'yes' : await screen.ask('   Dr C. Weber, apply it now? [Y/n]', signal);
  const confirmed = /^(y|yes|)$/i.test(answer.trim());
  machine.tell({ kind: 'answer', answer: confirmed ? 'confirm' : 'decline' });
  const at = machine.screen.all.indexOf(line);
  await machine.screen.find(({ kind }) => kind === 'answered', limited(signal, 'the answer'), at);
  if (!confirmed) throw new Declined(line.question.title);
  return at;
}

/** Waits for the end of the assignment's PATCH or BASE, as the operator sees it. */
async function outcomeOf(play: Play, assignmentId: string, kind: UpdateKind): Promise<Outcome> {
  const within = limited(play.signal, 'the result');
  const { result } = await assignmentSeen(play, assignmentId, (seen) => seen.result?.kind === kind, within);
  const { all } = play.cloud.operator.events;
  const [transit, applying] =
    kind === UpdateKind.PATCH
      ? [State.INTRANSIT_PATCH, State.APPLYING_PATCH]
      : [State.INTRANSIT_BASE, State.APPLYING_BASE];
  return {
    result: result!,
    transitMs: lastStayMs(all, deviceId, transit),
    applyingMs: lastStayMs(all, deviceId, applying),
  };
}

/** Waits until the operator sees the assignment like this. */
async function assignmentSeen(
  { cloud }: Play,
  assignmentId: string,
  fits: (assignment: Assignment) => boolean,
  signal: AbortSignal,
): Promise<Assignment> {
  const assignmentIn = ({ kind }: FleetEvent) =>
    kind.case === 'assignment' && kind.value.assignmentId === assignmentId ? kind.value : undefined;
  const event = await cloud.operator.events.find((candidate) => {
    const assignment = assignmentIn(candidate);
    return assignment !== undefined && fits(assignment);
  }, signal);
  return assignmentIn(event)!;
}

const changeTo = (state: string) => (line: FromHostApplication) =>
  line.kind === 'change' && line.change.to === state;
