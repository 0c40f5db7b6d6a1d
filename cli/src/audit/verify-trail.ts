/**
 * Verifies an audit trail without a network: each signature, the chain of each device's decisions, and that each update that
 * was applied has the confirmation that led to it.
 */
import { createHash } from 'node:crypto';
import { Event, State, type StateChanged } from '@iotdh/proto/agent/v1';
import { enumText } from '../output/words.ts';
import type { Finding } from './finding.ts';
import type { SignedConsent, Trail } from './read-trail.ts';
import { type Trust, verifySignature } from './verify-signature.ts';

export type Verdict = {
  devices: number;
  consents: number;
  applications: number;
  /** Updates that a site engineer confirmed at the machine itself (boot_fwupd): no person is named there. */
  confirmedAtMachine: string[];
  /** Chains after the first of a device: it was installed anew, or has lost its disk. Worth asking when that was. */
  begunAgain: string[];
  findings: Finding[];
};

export function verifyTrail(trail: Trail, trust: Trust): Verdict {
  const findings = [...trail.findings];
  const sound: SignedConsent[] = [];
  for (const signed of trail.consents) {
    const finding = verifySignature(signed, trust);
    if (finding === null) sound.push(signed);
    else findings.push(finding);
  }
  const begunAgain: string[] = [];
  for (const chains of chainsByDevice(trail.consents).values()) {
    for (const [index, chain] of chains.entries()) {
      findings.push(...chainFindings(chain));
      const [first] = chain;
      if (index > 0 && first !== undefined) begunAgain.push(`${first.deviceId}: ${first.consent.consentId}`);
    }
  }
  const { confirmedAtMachine, unproven } = applicationFindings(trail, sound);
  findings.push(...unproven);
  const devices = new Set([...trail.consents, ...trail.applications].map(({ deviceId }) => deviceId));
  const counts = { consents: trail.consents.length, applications: trail.applications.length };
  return { devices: devices.size, ...counts, confirmedAtMachine, begunAgain, findings };
}

/** Each device's chains, in the order of their first record in the file; a record that is there twice counts once. */
function chainsByDevice(consents: readonly SignedConsent[]): Map<string, SignedConsent[][]> {
  const byDevice = new Map<string, Map<string, SignedConsent[]>>();
  const seen = new Set<string>();
  for (const signed of consents) {
    // Filed under another device, a record belongs to no chain here: that is said where it is verified.
    if (signed.statement.deviceId !== signed.deviceId) continue;
    const digest = digestOf(signed);
    if (seen.has(digest)) continue;
    seen.add(digest);
    const chains = byDevice.get(signed.deviceId) ?? new Map<string, SignedConsent[]>();
    byDevice.set(signed.deviceId, chains);
    chains.set(signed.statement.chainId, [...(chains.get(signed.statement.chainId) ?? []), signed]);
  }
  return new Map([...byDevice].map(([deviceId, chains]) => [deviceId, [...chains.values()]]));
}

const digestOf = ({ consent }: SignedConsent): string =>
  createHash('sha256')
    .update(consent.evidence?.statement ?? new Uint8Array())
    .digest('hex');

const byNumber = (a: SignedConsent, b: SignedConsent): number =>
  a.statement.number < b.statement.number ? -1 : Number(a.statement.number > b.statement.number);

function chainFindings(chain: readonly SignedConsent[]): Finding[] {
  const findings: Finding[] = [];
  const add = (kind: Finding['kind'], { deviceId, consent }: SignedConsent, detail: string) =>
    findings.push({ kind, deviceId, subject: consent.consentId, detail });
  for (const [index, signed] of chain.entries()) {
    const before = chain[index - 1];
    if (before !== undefined && before.statement.number > signed.statement.number) {
      const numbers = `number ${signed.statement.number} stands after number ${before.statement.number}`;
      add('reordered', signed, `${numbers}, ${before.consent.consentId}`);
    }
  }
  let last: SignedConsent | undefined;
  for (const signed of chain.toSorted(byNumber)) {
    const { number, previousDigest, chainId } = signed.statement;
    const expected = (last?.statement.number ?? 0n) + 1n;
    const where = last === undefined ? 'before it' : `between ${last.consent.consentId} and it`;
    if (number > expected) {
      const numbers =
        number - expected === 1n ? `number ${expected}` : `numbers ${expected} to ${number - 1n}`;
      add('missing', signed, `${numbers} of chain ${chainId} are missing ${where}`);
    } else if (number < expected) {
      add('broken_chain', signed, `number ${number} is also that of ${last?.consent.consentId}`);
    } else if (last !== undefined && digestOf(last) !== Buffer.from(previousDigest).toString('hex')) {
      add('broken_chain', signed, `it names another record before it than ${last.consent.consentId}`);
    }
    last = signed;
  }
  return findings;
}

/** The moves with which an update begins to be applied: the rows of the agent's table that lead there. */
const beginnings: readonly [from: State, event: Event, to: State][] = [
  [State.WAIT_CONFIRM_PATCH, Event.SDK_CONFIRMPATCH, State.APPLYING_PATCH],
  [State.WAIT_CONFIRM_BASE, Event.SDK_CONFIRMBASE, State.APPLYING_BASE],
  [State.WAIT_CONFIRM_BASE, Event.BOOT_FWUPD, State.APPLYING_BASE],
];

const isBeginning = ({ from, event, to }: StateChanged): boolean =>
  beginnings.some((row) => row[0] === from && row[1] === event && row[2] === to);

function applicationFindings(trail: Trail, sound: readonly SignedConsent[]) {
  const confirmedAtMachine: string[] = [];
  const unproven: Finding[] = [];
  // By the move's sequence and not its journal: a record of the backend names the journal of the messages, not that of the moves.
  const leadsTo = new Map<string, SignedConsent[]>();
  const keyOf = (deviceId: string, sequence: bigint, digest: Uint8Array) =>
    `${deviceId}/${sequence}/${Buffer.from(digest).toString('hex')}`;
  for (const signed of sound) {
    const { deviceId, consent, statement } = signed;
    if (consent.decision.case !== 'confirm') continue;
    const key = keyOf(deviceId, statement.sequence + 1n, consent.manifestDigest);
    leadsTo.set(key, [...(leadsTo.get(key) ?? []), signed]);
  }
  for (const { deviceId, journalId, move } of trail.applications) {
    // The contract requires it, and whoever read the trail has looked.
    if (move === undefined) throw new TypeError(`an application of ${deviceId} has no move`);
    const subject = `${journalId}/${move.sequence}`;
    if (!isBeginning(move)) {
      const [event, from, to] = [
        enumText(Event, move.event),
        enumText(State, move.from),
        enumText(State, move.to),
      ];
      const detail = `no update begins with ${event} from ${from} to ${to}`;
      unproven.push({ kind: 'no_evidence', deviceId, subject, detail });
      continue;
    }
    if (move.event === Event.BOOT_FWUPD) {
      confirmedAtMachine.push(`${deviceId}: ${subject}`);
      continue;
    }
    const digest = move.pendingUpdate?.manifestDigest ?? new Uint8Array();
    // Each confirmation accounts for one application.
    if (leadsTo.get(keyOf(deviceId, move.sequence, digest))?.pop() !== undefined) continue;
    const manifest = Buffer.from(digest).toString('hex');
    const detail = `manifest ${manifest} was applied, and no sound record of a confirmation led to that`;
    unproven.push({ kind: 'no_evidence', deviceId, subject, detail });
  }
  return { confirmedAtMachine, unproven };
}
