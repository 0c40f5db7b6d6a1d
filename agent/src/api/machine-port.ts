/** The agent's own runner, as the server sees it. */
import type { Journal } from '../machine/journal.ts';
import type { Machine } from '../machine/machine.ts';
import type { Runner } from '../machine/runner.ts';
import { pendingUpdate } from '../machine/snapshot.ts';
import type { AgentMachine } from './port.ts';

export function machinePort(parts: { machine: Machine; runner: Runner; journal: Journal }): AgentMachine {
  const { machine, runner, journal } = parts;
  return {
    standing() {
      const snapshot = machine.snapshot();
      return {
        state: snapshot.state,
        update: pendingUpdate(snapshot),
        decision: snapshot.memory.decision,
        cursor: machine.cursor(),
      };
    },
    oldestSequence: () => journal.oldestSequence(),
    movesAfter: (sequence, limit) => journal.changesAfter(sequence, limit),
    moves: machine.changes,
    submit: runner.submit,
    fault() {
      // The report is owed from the moment of the fault until the outbox has it.
      const reports = journal
        .effects()
        .flatMap(({ effect }) => (effect.kind === 'report' ? effect.report : []));
      const last = reports.findLast((report) => report.kind === 'integrity_fault');
      return last?.kind === 'integrity_fault' ? last.reason : null;
    },
  };
}
