/** The port `start_transfer`: brings what the manifest lists, and ends an update that can never be brought. */
import type { Frame, FrameRequest, TransferRefused } from '@iotdh/proto/bus/v1';
import { type Manifest, UpdateKind } from '@iotdh/proto/update/v1';
import type { AskOutcome } from '../bus/bus.ts';
import type { Withdrawal } from '../cloud/withdrawal.ts';
import type { Preflight } from '../install/installer.ts';
import type { Log } from '../log/log.ts';
import type { EffectContext, Ports } from '../machine/effect.ts';
import type { Update } from '../machine/update.ts';
import type { CarrierKind } from '../transfer/carriers/carrier.ts';
import { type CarrierChoice, createCarrierChoice } from '../transfer/carriers/choose-carrier.ts';
import type { Clock } from '../transfer/clock.ts';
import type { Failure, Pause, Tally, TransferOutcome } from '../transfer/outcome.ts';
import { createFindings, type Findings } from '../transfer/plan/findings.ts';
import type { LocalFiles } from '../transfer/plan/local-files.ts';
import { createTransfer, type Transfer } from '../transfer/transfer.ts';
import type { ManifestTrust } from '../trust/manifest-trust.ts';
import type { Media } from '../updates/media.ts';
import { assignmentOf, sourceOf, type UpdateRecord } from '../updates/record.ts';
import type { UpdateStore } from '../updates/update-store.ts';
import type { UpdateView } from '../updates/update-view.ts';
import type { MakeCarriers } from './transfer-carriers.ts';

export type TransferPortOptions = {
  updates: UpdateStore;
  view: UpdateView;
  ask: (request: FrameRequest, traceParent: string) => Promise<AskOutcome>;
  /** Whether this machine has and is what the manifest asks for; `carryBytes` are still to be written to the agent's folder. */
  preflight: (manifest: Manifest, carryBytes: number) => Promise<Preflight>;
  /** Whether a manifest is signed; without it none is taken. */
  trust: Pick<ManifestTrust, 'vouchingFor'>;
  /** Asks the cloud for the offer of an assignment again. */
  askForOffer: (assignmentId: string) => void;
  withdrawal: Pick<Withdrawal, 'withdraw'>;
  /** Space that is left free on the disk. */
  reservedBytes: number;
  frameWindow: () => number;
  makeCarriers: MakeCarriers;
  media: Pick<Media, 'holding'>;
  /** Where contents, bases and chunks are looked for; undefined: nowhere. */
  local?: LocalFiles;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  clock: Clock;
  random: () => number;
  log: Log;
};

export type TransferPort = {
  start: Ports['start_transfer'];
  onFrame(frame: Frame): Promise<void>;
  /** `saidAtMs`: when the backend made it, by its own clock. */
  onRefused(refused: TransferRefused, saidAtMs: number): void;
  onLinkOpen(): void;
  /** A bundle was imported, which may hold what is under way. */
  onBundle(): void;
};

type Current = { transfer: Transfer; choice: CarrierChoice };

/** A full disk, or what else is in the way for now, is looked at again after this. */
const lookAgainMs = 15_000;

const failed = (reason: string) => ({ kind: 'failed', reason }) as const;

export function createTransferPort(options: TransferPortOptions): TransferPort {
  const { updates, view, ask, preflight, withdrawal, reservedBytes, frameWindow, local } = options;
  const { makeCarriers, media, trust, askForOffer } = options;
  const { sleep, clock, random, log } = options;
  let current: Current | null = null;
  /** Of the transfer that was interrupted last, as by a machine that has become busy. */
  let kept: { transferId: string; findings: Findings } | null = null;

  async function accept(
    update: Update,
    record: UpdateRecord,
    manifest: Manifest,
    spaceBytes: number,
  ): Promise<{ kind: 'accepted' } | Pause | Failure> {
    const refuse = (detail: string, reason: Failure['reason']): Failure => ({
      kind: 'failed',
      reason,
      detail,
    });
    const ref = sourceOf(record, update.target)?.ref;
    const kind = manifest.content.case === 'patch' ? UpdateKind.PATCH : UpdateKind.BASE;
    if (ref?.kind !== kind || ref.name !== manifest.name || ref.version !== manifest.version) {
      return refuse('the manifest is not the pack that was offered', 'bad_manifest');
    }
    const answer = await preflight(manifest, spaceBytes + reservedBytes);
    if (answer.kind === 'unmet') {
      if (answer.passing) return { kind: 'paused', reason: 'not_now', detail: answer.reason };
      return refuse(answer.reason, 'not_accepted');
    }
    if (spaceBytes + reservedBytes > updates.freeBytes()) return { kind: 'paused', reason: 'disk_full' };
    return { kind: 'accepted' };
  }

  /** The offer of the half may come again, with newer metadata, while its transfer waits. */
  function vouchingFor({ updateId, target }: Update, record: UpdateRecord) {
    const source = () => sourceOf(updates.get(updateId) ?? record, target);
    return trust.vouchingFor({
      ref: source()!.ref,
      transferId: source()!.transferId,
      offered: () => ({
        metadata: source()?.metadata ?? [],
        times: (updates.get(updateId) ?? record).offers,
      }),
      ...(!record.imported && { askAgain: () => askForOffer(assignmentOf(record, target)) }),
    });
  }

  function transferOf(
    update: Update,
    record: UpdateRecord,
    { progress, signal }: Pick<EffectContext, 'progress' | 'signal'>,
  ): (Current & { hasCarrier: boolean }) | null {
    const source = sourceOf(record, update.target);
    if (source === null) return null;
    const bundles = () => media.holding(update.manifest.digest);
    const carriers = makeCarriers({
      ...{ assignmentId: source.assignmentId, allowed: source.carriers, bundles },
      bus: { ask: (request) => ask(request, record.traceParent) },
      deliver: (frame, carrier) => take({ transfer, choice }, frame, carrier),
      sizeOf: (digest) => transfer.sizeOf(digest),
    });
    const choice: CarrierChoice = createCarrierChoice({
      carriers,
      isLarge: () => transfer.isLarge(),
      hasBundle: () => bundles().length > 0,
      onChange(kind, reason) {
        say(update, 'info', `the update comes by ${kind}${reason === '' ? '' : `: ${reason}`}`);
      },
      ...{ clock, random, signal },
    });
    if (kept?.transferId !== source.transferId)
      kept = { transferId: source.transferId, findings: createFindings() };
    const transfer: Transfer = createTransfer({
      transferId: source.transferId,
      findings: kept.findings,
      manifest: source.ref,
      frameSize: source.frameSize,
      folder: updates.folderOf(update.updateId, update.target),
      source: choice,
      window: frameWindow(),
      ...(local && { local }),
      vouching: vouchingFor(update, record),
      accept: (manifest, spaceBytes) => accept(update, record, manifest, spaceBytes),
      onProgress(reached) {
        progress();
        view.noteProgress(update, reached);
      },
      ...{ clock, random },
    });
    return { transfer, choice, hasCarrier: carriers.length > 0 };
  }

  /** Runs until it is whole, has failed for good, or is no longer wanted; what may change by itself only delays it. */
  async function runToEnd(transfer: Transfer, update: Update, signal: AbortSignal): Promise<TransferOutcome> {
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await transfer.run(signal);
      if (outcome.kind !== 'paused' || outcome.reason === 'aborted' || signal.aborted) return outcome;
      const why = outcome.reason === 'not_now' ? outcome.detail : 'there is no room on the disk';
      if (attempt === 1) say(update, 'warn', `the transfer waits: ${why}`);
      await sleep(lookAgainMs, signal);
    }
  }

  function say({ updateId, target, manifest }: Update, level: 'info' | 'warn', message: string): void {
    const about = {
      ...{ assignment_id: updateId, target, version: manifest.version },
      trace_parent: updates.traceOf(updateId),
    };
    log({ level, component: 'transfer', message, about });
  }

  async function end(update: Update, { reason, detail }: Failure): Promise<void> {
    if (reason === 'withdrawn') {
      await withdrawal.withdraw(update.updateId, 'cancelled', detail);
      return;
    }
    const refused =
      reason === 'not_accepted' ||
      reason === 'bad_manifest' ||
      reason === 'unsupported' ||
      reason === 'unsigned';
    updates.change(update.updateId, update.target, {
      end: { ending: refused ? 'refused' : 'not_received', reason: detail, steps: [] },
    });
    await withdrawal.withdraw(update.updateId, 'refused', detail);
  }

  return {
    async start({ update }, { signal, progress }) {
      const { updateId, target, manifest } = update;
      const record = updates.get(updateId);
      const made = record && transferOf(update, record, { progress, signal });
      if (made === null) {
        // The disk has lost what was offered; without it nothing can be asked for.
        await withdrawal.withdraw(updateId, 'refused', 'the offer is no longer on this disk');
        return failed('the offer is no longer on this disk');
      }
      if (!made.hasCarrier) {
        const detail =
          'this machine has none of the carriers that the offer names, and HTTPS only if it was enrolled: assign it with the carrier auto';
        await end(update, { kind: 'failed', reason: 'unsupported', detail });
        return failed(detail);
      }
      if (record?.[target].begun === false) updates.change(updateId, target, { begun: true });
      say(update, 'info', 'the transfer begins or goes on');
      current = made;
      try {
        const outcome = await runToEnd(made.transfer, update, signal);
        if (outcome.kind === 'paused') return failed(`the transfer is paused: ${outcome.reason}`);
        kept = null;
        if (outcome.kind === 'failed') {
          say(update, 'warn', `the transfer failed (${outcome.reason}): ${outcome.detail}`);
          await end(update, outcome);
          return failed(outcome.detail);
        }
        updates.change(updateId, target, { complete: true, ...outcome.tally });
        say(update, 'info', `the transfer is complete: ${wordsOf(outcome.tally)}`);
        return { kind: 'event', event: { type: 'transfer_complete', manifestDigest: manifest.digest } };
      } finally {
        current = null;
      }
    },
    async onFrame(frame) {
      if (current !== null) await take(current, frame, 'bus');
    },
    onRefused(refused, saidAtMs) {
      if (current?.choice.onRefused(refused, saidAtMs) === true) current.transfer.onLinkOpen();
      else current?.transfer.onRefused(refused);
    },
    // Whatever rested may be back, and what was on its way may never come.
    onLinkOpen() {
      current?.choice.wake();
      current?.transfer.onLinkOpen();
    },
    onBundle() {
      current?.choice.wake();
      current?.transfer.onBundle();
    },
  };
}

function take({ transfer, choice }: Current, frame: Frame, carrier: CarrierKind): Promise<void> {
  choice.onFrame(frame, carrier);
  return transfer.onFrame(frame, carrier);
}

/** `1,234 bytes carried, 5,678 saved; whole 3, delta 1`. */
function wordsOf({ carriedBytes, savedBytes, origins }: Tally): string {
  const ways = origins.map(({ origin, contents }) => `${origin} ${contents}`).join(', ');
  return `${carriedBytes} bytes carried, ${savedBytes} saved${ways === '' ? '' : `; ${ways}`}`;
}
