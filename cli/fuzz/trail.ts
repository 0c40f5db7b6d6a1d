/**
 * Hands `audit verify` trails in which one line is wrong. Whatever it is, the answer is findings and never a throw; and where there
 * are none, every decision is one that a device signed, as it signed it.
 */
import { fromBinary, fromJsonString, toBinary, toJsonString } from '@bufbuild/protobuf';
import { AuditRecordSchema } from '@iotdh/proto/fleet/v1';
import { damage } from '../../delta/fuzz/inputs.ts';
import { createRandom, type Random } from '../../delta/fuzz/random.ts';
import { readLines } from '../src/audit/read-trail.ts';
import { consentLine, createAuthority, createDevice } from '../src/audit/testing/device.ts';
import type { Trust } from '../src/audit/verify-signature.ts';
import { verifyTrail } from '../src/audit/verify-trail.ts';

export type FuzzOptions = {
  inputs: number;
  /** The same seed makes the same inputs, but for the keys. */
  seed: number;
  signal: AbortSignal;
  progress?(done: number): void;
};

/** How many trails had nothing to find, and how many had. */
export type FuzzReport = { inputs: number; verified: number; found: number };

/** An input breaks what must hold. */
export class FuzzFailure extends Error {}

const progressInputs = 10_000;

export async function fuzzTrail({ inputs, seed, signal, progress }: FuzzOptions): Promise<FuzzReport> {
  const authority = await createAuthority();
  const trust: Trust = { roots: [authority.root], deviceKeys: new Map() };
  const device = createDevice('ws-1', await authority.issue('ws-1'));
  const consents = [device.decide(), device.decide('decline'), device.decide()];
  const lines = [
    ...consents.map((consent) => consentLine('ws-1', consent)),
    device.applied(1),
    device.applied(3),
  ];
  const signed = new Set(consents.map(({ evidence }) => textOf(evidence?.statement)));
  const report: FuzzReport = { inputs, verified: 0, found: 0 };
  for (let index = 0; index < inputs; index += 1) {
    const random = createRandom(seed, index);
    const at = random.below(lines.length);
    const wrong = wrongLine(random, lines[at]!, random.pick(lines));
    const said = () => `input ${index} of seed ${seed}, line ${at + 1}: ${wrong.slice(0, 4_000)}`;
    try {
      const trail = await readLines(linesOf(lines.with(at, wrong)), 'the trail');
      const { findings } = verifyTrail(trail, trust);
      report[findings.length === 0 ? 'verified' : 'found'] += 1;
      if (findings.length > 0) continue;
      const other = trail.consents.find(({ consent }) => !signed.has(textOf(consent.evidence?.statement)));
      if (other !== undefined) throw new Error(`${other.consent.consentId} is none that was signed`);
    } catch (cause) {
      throw new FuzzFailure(said(), { cause });
    }
    if ((index + 1) % progressInputs !== 0) continue;
    signal.throwIfAborted();
    progress?.(index + 1);
  }
  return report;
}

const textOf = (bytes: Uint8Array = new Uint8Array()): string => Buffer.from(bytes).toString('base64');

async function* linesOf(lines: readonly string[]): AsyncGenerator<string, void, undefined> {
  yield* lines;
}

/** Damaged as text, or as the message that it is, so that what is wrong lies deep. */
function wrongLine(random: Random, line: string, other: string): string {
  // When the backend received it is not signed, and is no concern of the trail.
  if (random.chance(0.05))
    return line.replace(/"receiveTime":"[^"]+"/, '"receiveTime":"2030-01-01T00:00:00Z"');
  if (random.chance(0.3)) return oneLine(damage(random, Buffer.from(line), Buffer.from(other)).toString());
  const binary = (text: string) =>
    Buffer.from(toBinary(AuditRecordSchema, fromJsonString(AuditRecordSchema, text)));
  try {
    const record = fromBinary(AuditRecordSchema, damage(random, binary(line), binary(other)));
    return toJsonString(AuditRecordSchema, record);
  } catch {
    return oneLine(damage(random, Buffer.from(line), Buffer.from(other)).toString());
  }
}

const oneLine = (text: string): string => text.replaceAll('\n', ' ');
