/**
 * What people decided. A decision goes on record, signed, with the text that was shown, in the transaction in which the machine
 * acts on it: a patch is never applied without the evidence of who wanted it.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import {
  type ConfirmBaseRequest,
  type ConfirmPatchRequest,
  type Consent,
  ConsentSchema,
  type PendingUpdate,
} from '@iotdh/proto/agent/v1';
import type { Decision, Target, Update } from '../machine/update.ts';
import type { Clock } from './clock.ts';
import type { Evidence } from './evidence.ts';
import { digestFromHex, hexFromDigest } from './names.ts';
import { pendingUpdateOf } from './pending.ts';
import type { AgentMachine, HostCommand, UpdateView } from './port.ts';
import { done, type Outcome, type Refusal, refusalOf } from './refusal.ts';
import type { StoredConsent } from './store/consent-table.ts';
import type { HostStore } from './store/open-store.ts';

export type ConsentsOptions = {
  store: HostStore;
  machine: AgentMachine;
  view: UpdateView;
  evidence: Evidence;
  clock: Clock;
  newId: () => string;
  /** What the machine lacks for now that the update needs to be applied, in words; null when nothing. Default: nothing. */
  lacks?: (update: Update) => Promise<string | null>;
  /** How far a decision may be put off, in ms. Default 7 days. */
  maxPostponeMs?: () => number;
};

export type ConsentRequest = ConfirmPatchRequest | ConfirmBaseRequest;

export type Consents = {
  /**
   * Whether what was confirmed could be applied now, for `decide` once it is its turn: no other request waits for the look. Once it is
   * applying, the machine refuses to be BUSY, and so must not begin what it would only wait in.
   */
  look(target: Target, request: ConsentRequest): Promise<Outcome<null>>;
  /** Passes a decision on and returns its record. `keep` is given the record within the transaction. */
  decide(
    target: Target,
    request: ConsentRequest,
    keep: (consent: Consent) => void,
  ): Promise<Outcome<Consent>>;
  /**
   * What the cloud is to be told once the machine reports a decision: every record that it was not told of, oldest first. Two
   * decisions may be the same in all that the machine knows of them, and each has a record. None left: the newest that fits the
   * decision, which is told once more rather than not at all; empty if it was lost.
   */
  toTell(decision: Decision): ConsentToTell[];
};

/** `markTold`: it is on its way to the cloud durably. */
export type ConsentToTell = { consent: Consent; markTold(): void };

const waitsFor = { patch: 'WAIT_CONFIRM_PATCH', base: 'WAIT_CONFIRM_BASE' } as const;
const maxShownLength = 8000;
const defaultPostponeMs = 7 * 24 * 60 * 60 * 1000;

export function createConsents(options: ConsentsOptions): Consents {
  const { store, machine, view, evidence, clock, newId } = options;
  const { lacks = async () => null, maxPostponeMs = () => defaultPostponeMs } = options;

  async function look(target: Target, request: ConsentRequest): Promise<Outcome<null>> {
    const { state, update } = machine.standing();
    const isConfirmed = request.decision?.kind.case === 'confirm';
    // What cannot be decided at all is for `decide` to refuse.
    if (!isConfirmed || update === null || state !== waitsFor[target]) return done(null);
    if (objectionTo(request, update) !== null) return done(null);
    const reason = await lacks(update);
    return reason === null ? done(null) : { kind: 'requirement_unmet', reason };
  }

  async function decide(
    target: Target,
    request: ConsentRequest,
    keep: (consent: Consent) => void,
  ): Promise<Outcome<Consent>> {
    const event = target === 'patch' ? 'sdk_confirmpatch' : 'sdk_confirmbase';
    const { state, update, decision, cursor } = machine.standing();
    if (state !== waitsFor[target] || update === null) {
      return { kind: 'transition_refused', state, event };
    }
    const objection = objectionTo(request, update);
    if (objection !== null) return objection;

    const record = recordOf(request, update, pendingUpdateOf(update, decision, view));
    const { consent, keep: keepLink } = evidence.link(record, cursor);
    const answer = await machine.submit(commandOf(event, consent), () => {
      store.consents.insert(request.requestId, toBinary(ConsentSchema, consent));
      keepLink();
      keep(consent);
    });
    return refusalOf(answer, event) ?? done(consent);
  }

  function objectionTo({ manifestDigest, decision }: ConsentRequest, update: Update): Refusal | null {
    const given = hexFromDigest(manifestDigest);
    const pending = update.manifest.digest;
    if (given !== pending) return { kind: 'digest_mismatch', pending, given };
    const kind = decision?.kind;
    if (kind?.case !== 'postpone' || kind.value.until === undefined) return null;
    const nowMs = clock.now();
    const latestMs = nowMs + maxPostponeMs();
    const untilMs = timestampMs(kind.value.until);
    return untilMs > nowMs && untilMs <= latestMs ? null : { kind: 'postpone_refused', nowMs, latestMs };
  }

  function recordOf(request: ConsentRequest, update: Update, pending: PendingUpdate): Consent {
    const shown = [pending.title, pending.summary].filter((text) => text !== '').join('\n\n');
    const kind = request.decision?.kind;
    return create(ConsentSchema, {
      consentId: newId(),
      manifestDigest: digestFromHex(update.manifest.digest),
      kind: pending.kind,
      ...(request.person === undefined ? {} : { person: request.person }),
      shownText: (request.shownText || shown || `${pending.name} ${pending.version}`).slice(
        0,
        maxShownLength,
      ),
      time: timestampFromMs(clock.now()),
      ...(kind?.case === 'confirm' ? { decision: kind } : {}),
      ...(kind?.case === 'decline' ? { decision: kind } : {}),
      ...(kind?.case === 'postpone' && kind.value.until !== undefined
        ? { decision: { case: 'postponedUntil' as const, value: kind.value.until } }
        : {}),
    });
  }

  function toTell(decision: Decision): ConsentToTell[] {
    const { consents } = store;
    const read = ({ id, consent }: StoredConsent): ConsentToTell => ({
      consent: fromBinary(ConsentSchema, consent),
      markTold: () => store.write(() => consents.markTold(id)),
    });
    const untold = consents.untold();
    if (untold.length > 0) return untold.map(read);
    for (const stored of consents.newest()) {
      const known = read(stored);
      if (matches(known.consent, decision)) return [known];
    }
    return [];
  }

  return { look, decide, toTell };
}

function commandOf(event: 'sdk_confirmpatch' | 'sdk_confirmbase', consent: Consent): HostCommand {
  const about = { manifestDigest: hexFromDigest(consent.manifestDigest), person: consent.person?.id ?? '' };
  const { decision } = consent;
  if (decision.case === 'postponedUntil') {
    return { type: 'sdk_postpone', ...about, untilMs: timestampMs(decision.value) };
  }
  return { type: decision.case === 'decline' ? 'sdk_decline' : event, ...about };
}

function matches(consent: Consent, { answer, manifestDigest, person, untilMs }: Decision): boolean {
  const { decision } = consent;
  if (hexFromDigest(consent.manifestDigest) !== manifestDigest || consent.person?.id !== person) return false;
  if (answer === 'postpone') {
    return decision.case === 'postponedUntil' && timestampMs(decision.value) === untilMs;
  }
  return decision.case === answer;
}
