/** The ports `report` and `discard`: the cloud is told what became of an update, and then what it brought goes. */
import type { ConsentToTell } from '../api/consents.ts';
import { type Ended, resultOf } from '../cloud/results.ts';
import type { Tell, Told } from '../cloud/tell.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { Log } from '../log/log.ts';
import type { Later, Ports, Report, StepResult } from '../machine/effect.ts';
import type { Decision, Target } from '../machine/update.ts';
import type { UpdateStore } from '../updates/update-store.ts';
import { lastFailureOf } from './last-failure.ts';

export type ReportPortOptions = {
  updates: UpdateStore;
  inventory: Inventory;
  consentsToTell: (decision: Decision) => readonly ConsentToTell[];
  tell: Tell;
  /** An update was applied: the manifest's digest, in hex. */
  onApplied: (digest: string) => void;
  onDecided: () => void;
  /** Lets the installers forget their part. */
  forget: (updateId: string) => Promise<void>;
  now: () => number;
  log: Log;
};

const done: StepResult = { kind: 'done' };
const endOfTelling = (told: Told): StepResult | Later =>
  told.kind === 'told' ? done : { kind: 'later', reason: told.reason };

export function createReportPort(options: ReportPortOptions): Pick<Ports, 'report' | 'discard'> {
  const { updates, inventory, consentsToTell, tell, onApplied, onDecided, forget, now, log } = options;

  async function tellResult(updateId: string, target: Target, ended: Ended): Promise<StepResult | Later> {
    const record = updates.get(updateId);
    const about = { assignment_id: updateId };
    if (record === null) {
      log({
        level: 'error',
        component: 'updates',
        message: 'the result of an update cannot be told: its offer is lost',
        about,
      });
      return done;
    }
    const value = resultOf(record, target, ended, { inventory, now });
    return endOfTelling(await tell({ case: 'updateResult', value }, record.traceParent));
  }

  async function tellDecision(decision: Decision): Promise<StepResult | Later> {
    const record = updates.get(decision.updateId);
    if (decision.answer === 'decline' && record !== null) {
      updates.put({ ...record, declinedOffers: record.offers });
    }
    onDecided();
    const consents = consentsToTell(decision);
    if (consents.length === 0) {
      const about = { assignment_id: decision.updateId };
      log({ level: 'error', component: 'updates', message: 'the record of a decision is lost', about });
      return done;
    }
    for (const { consent, markTold } of consents) {
      const told = await tell({ case: 'consent', value: consent }, record?.traceParent);
      if (told.kind !== 'told') return endOfTelling(told);
      markTold();
    }
    return done;
  }

  /** How a half ended as its installer wrote it down, or as the machine knows it. */
  const endOf = (updateId: string, target: Target, otherwise: Ended): Ended =>
    updates.get(updateId)?.[target].end ?? otherwise;

  async function report(told: Report): Promise<StepResult | Later> {
    switch (told.kind) {
      case 'decided':
        return tellDecision(told.decision);
      case 'integrity_fault': {
        const { update } = told;
        // A patch that was given up has an end nowhere but in the machine.
        const failure = lastFailureOf(updates, update);
        const reason = failure === '' ? told.reason : `${told.reason}: ${failure}`;
        const end = endOf(update.updateId, update.target, { ending: 'failed', reason, steps: [] });
        return tellResult(update.updateId, update.target, end);
      }
      case 'ended': {
        const { update, ending } = told;
        const applied = ending !== 'fell_back';
        if (applied) onApplied(update.manifest.digest);
        const otherwise: Ended = { ending: applied ? 'applied' : 'taken_back', reason: '', steps: [] };
        return tellResult(update.updateId, update.target, endOf(update.updateId, update.target, otherwise));
      }
      case 'dropped': {
        const { updateId, update, ending, reason } = told;
        const target = update?.target ?? (updates.get(updateId)?.patch.end ? 'base' : 'patch');
        const ended: Ended = { ending, reason, steps: [] };
        return tellResult(updateId, target, ending === 'refused' ? endOf(updateId, target, ended) : ended);
      }
      case 'set_aside': {
        const about = { effect: told.effect, assignment_id: told.updateId ?? undefined };
        log({
          level: 'error',
          component: 'machine',
          message: 'an effect was set aside: it is tried again in an hour and at the next start',
          about,
        });
        return done;
      }
      case 'journal_damaged': {
        const about = { kept_as: told.keptAs };
        log({
          level: 'error',
          component: 'journal',
          message: `the journal was damaged: ${told.reason}`,
          about,
        });
        return done;
      }
    }
  }

  return {
    report: ({ report: told }) => report(told),
    async discard({ updateId }) {
      await forget(updateId);
      await updates.remove(updateId);
      return done;
    },
  };
}
