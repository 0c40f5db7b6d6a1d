/** What is offered: kept on disk before the machine hears of it, refused with a log line when it cannot be taken now. */
import type { UpgradeOffer } from '@iotdh/proto/bus/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
import type { Envelope } from '../bus/bus.ts';
import type { Log } from '../log/log.ts';
import type { CloudEvent } from '../machine/event.ts';
import type { Answer } from '../machine/machine.ts';
import type { Unavailable } from '../machine/runner.ts';
import type { Snapshot } from '../machine/snapshot.ts';
import type { Update } from '../machine/update.ts';
import { manifestOf, newRecord, packOf, type UpdateRecord } from '../updates/record.ts';
import type { UpdateStore } from '../updates/update-store.ts';
import type { Acted } from './command-order.ts';
import type { Withdrawal } from './withdrawal.ts';

export type OffersOptions = {
  updates: UpdateStore;
  snapshot: () => Snapshot;
  pending: () => Update | null;
  submit: (event: CloudEvent) => Promise<Answer | Unavailable>;
  withdrawal: Withdrawal;
  /** The assignment that the twin points at; null: none, or not known. */
  pointedAt: () => string | null;
  /** An update that is here was offered again. */
  onOfferedAgain: (updateId: string) => void;
  log: Log;
};

/** What became of an offer. `waits`: it is noted until the machine is ready. `later`: it could not be acted on now. */
export type Taken =
  | { kind: 'taken' }
  | { kind: 'waits' }
  | { kind: 'refused'; reason: string }
  | { kind: 'later'; reason: string };

export type Offers = {
  take(message: Envelope<'upgradeOffer'>): Promise<Acted>;
  /** The same for an offer that is made of a bundle. */
  takeImported(offer: UpgradeOffer): Promise<Taken>;
};

export function createOffers(options: OffersOptions): Offers {
  const { updates, snapshot, pending, submit, withdrawal, pointedAt, onOfferedAgain, log } = options;

  function say(offer: UpgradeOffer, message: string, level: 'info' | 'warn' = 'info'): void {
    const trace = updates.traceOf(offer.assignmentId);
    const about = {
      assignment_id: offer.assignmentId,
      version: offer.manifest?.version,
      trace_parent: trace,
    };
    log({ level, component: 'offers', message, about });
  }

  /** The update that this machine deals with, whatever its state. */
  function present(): UpdateRecord | null {
    const now = snapshot();
    const updateId = pending()?.updateId ?? ('pack' in now ? now.pack.updateId : null);
    return updateId === null || updateId === now.memory.finished?.updateId ? null : updates.get(updateId);
  }

  async function takeBase(offer: UpgradeOffer): Promise<Taken> {
    const record = present();
    if (record === null || manifestOf(record, 'base') !== null) {
      return refused(offer, 'a base is not taken: this machine has no failed patch that lacks one');
    }
    const changed = { ...record, baseOffer: offer };
    const base = manifestOf(changed, 'base');
    if (base === null) return { kind: 'taken' };
    updates.put(changed);
    return answered(
      offer,
      await submit({ type: 'cloud_fallback', updateId: record.offer.assignmentId, base }),
      false,
    );
  }

  async function takeAgain(record: UpdateRecord, offer: UpgradeOffer): Promise<Taken> {
    const { fallback, metadata } = offer;
    const names = fallback !== undefined && manifestOf(record, 'base') === null;
    // What vouches for it may have been renewed meanwhile.
    const known = { ...record.offer, metadata, ...(names && { fallback }) };
    const changed = { ...record, offer: known, offers: record.offers + 1 };
    updates.put(changed);
    onOfferedAgain(offer.assignmentId);
    const base = manifestOf(changed, 'base');
    if (names && base !== null) await submit({ type: 'cloud_fallback', updateId: offer.assignmentId, base });
    say(offer, 'the update was offered again');
    return { kind: 'taken' };
  }

  async function takePatch(offer: UpgradeOffer, traceParent: string, imported: boolean): Promise<Taken> {
    const record = newRecord(offer, traceParent, imported);
    const pointed =
      pointedAt() === offer.assignmentId ? { ...record, pointedAt: offer.assignmentId } : record;
    updates.put(pointed);
    const outcome = answered(offer, await submit({ type: 'cloud_cmdupgrade', pack: packOf(pointed) }), true);
    if (pending()?.updateId !== offer.assignmentId && !isNoted(offer))
      await updates.remove(offer.assignmentId);
    return outcome;
  }

  /** An update that was offered while the machine is busy waits beside the one that `busy` interrupted. */
  function isNoted({ assignmentId }: UpgradeOffer): boolean {
    const now = snapshot();
    return now.state === 'BUSY' && now.assigned?.updateId === assignmentId;
  }

  function answered(offer: UpgradeOffer, answer: Answer | Unavailable, fresh: boolean): Taken {
    switch (answer.kind) {
      case 'moved':
        say(offer, 'the update is taken');
        return { kind: 'taken' };
      case 'noted':
        say(offer, fresh ? 'the update waits until the machine is ready' : 'the base is known');
        return { kind: fresh ? 'waits' : 'taken' };
      case 'refused':
        return refused(offer, `the offer is refused in ${answer.state}: ${answer.reason}`);
      default:
        say(offer, `the offer cannot be taken now: ${answer.reason}`, 'warn');
        return { kind: 'later', reason: answer.reason };
    }
  }

  function refused(offer: UpgradeOffer, reason: string, level: 'info' | 'warn' = 'warn'): Taken {
    say(offer, reason, level);
    return { kind: 'refused', reason };
  }

  /** The newest assignment wins over a patch that is not being applied yet; a base is never given up for a patch. */
  async function makeWay(offer: UpgradeOffer): Promise<boolean> {
    const update = pending();
    if (update === null) return snapshot().state === 'READY' || snapshot().state === 'BUSY';
    const superseded = update.target === 'patch' && pointedAt() === offer.assignmentId;
    if (!superseded) return false;
    return withdrawal.withdraw(
      update.updateId,
      'cancelled',
      `assignment ${offer.assignmentId} takes its place`,
    );
  }

  async function consider(offer: UpgradeOffer, traceParent: string, imported = false): Promise<Taken> {
    if (offer.manifest?.kind !== UpdateKind.PATCH) return takeBase(offer);
    const { finished, failedPatch } = snapshot().memory;
    const known = present();
    if (known === null && [finished?.updateId, failedPatch].includes(offer.assignmentId)) {
      return refused(offer, 'the offer is refused: its update has ended here', 'info');
    }
    if (known?.offer.assignmentId === offer.assignmentId) return takeAgain(known, offer);
    if (known !== null && !(await makeWay(offer))) {
      return refused(offer, `the offer is refused: ${known.offer.assignmentId} is under way`);
    }
    return takePatch(offer, traceParent, imported);
  }

  return {
    take: async ({ payload, traceParent }) =>
      (await consider(payload.value, traceParent)).kind === 'later' ? 'later' : 'acted',
    takeImported: (offer) => consider(offer, '', true),
  };
}
