/**
 * Hands `audit verify` trails in which one line is wrong. Whatever it is, the answer is findings and never a throw; and where there
 * are none, every decision is one that a device signed, as it signed it.
 */
import { fromBinary, fromJsonString, toBinary, toJsonString } from '@bufbuild/protobuf';
import { AuditRecordSchema } from '@iotdh/proto/fleet/v1';
import { eachInput, type FuzzOptions } from '../../delta/fuzz/each-input.ts';
import { damage } from '../../delta/fuzz/inputs.ts';
import type { Random } from '../../delta/fuzz/random.ts';
import { readLines } from '../src/audit/read-trail.ts';
import { consentLine, createAuthority, createDevice } from '../src/audit/testing/device.ts';
import type { Trust } from '../src/audit/verify-signature.ts';
import { verifyTrail } from '../src/audit/verify-trail.ts';

/** How many trails had nothing to find, and how many had. */
export type FuzzReport = { inputs: number; verified: number; found: number };

/** A line of the trail, and the message that it is. */
type Sample = { text: Buffer; message: Buffer };

/** The same seed makes the same inputs, but for the keys. */
export async function fuzzTrail(options: FuzzOptions): Promise<FuzzReport> {
  const authority = await createAuthority();
  const trust: Trust = { roots: [authority.root], deviceKeys: new Map() };
  const device = createDevice('ws-1', await authority.issue('ws-1'));
  const consents = [device.decide(), device.decide('decline'), device.decide()];
  const lines = [
    ...consents.map((consent) => consentLine('ws-1', consent)),
    device.applied(1),
    device.applied(3),
  ];
  const samples = lines.map((line): Sample => {
    const message = toBinary(AuditRecordSchema, fromJsonString(AuditRecordSchema, line));
    return { text: Buffer.from(line), message: Buffer.from(message) };
  });
  const signed = new Set(consents.map(({ evidence }) => wholeOf(evidence?.statement)));
  const report: FuzzReport = { inputs: options.inputs, verified: 0, found: 0 };
  await eachInput(options, {
    make(random) {
      const at = random.below(lines.length);
      return { at, wrong: wrongLine(random, samples[at]!, random.pick(samples)) };
    },
    async judge({ at, wrong }) {
      const trail = await readLines(linesOf(lines.with(at, wrong)), 'the trail');
      const { findings } = verifyTrail(trail, trust);
      report[findings.length === 0 ? 'verified' : 'found'] += 1;
      if (findings.length > 0) return;
      const other = trail.consents.find(({ consent }) => !signed.has(wholeOf(consent.evidence?.statement)));
      if (other !== undefined) throw new Error(`${other.consent.consentId} is none that was signed`);
    },
    describe: ({ at, wrong }, which) => `${which}, line ${at + 1}: ${wrong.slice(0, 4_000)}`,
  });
  return report;
}

const wholeOf = (bytes: Uint8Array = new Uint8Array()): string => Buffer.from(bytes).toString('base64');

async function* linesOf(lines: readonly string[]): AsyncGenerator<string, void, undefined> {
  yield* lines;
}

/** Damaged as text, or as the message that it is, so that what is wrong lies deep. */
function wrongLine(random: Random, { text, message }: Sample, other: Sample): string {
  // When the backend received it is not signed, and is no concern of the trail.
  if (random.chance(0.05))
    return text.toString().replace(/"receiveTime":"[^"]+"/, '"receiveTime":"2030-01-01T00:00:00Z"');
  const damagedText = () => damage(random, text, other.text).toString().replaceAll('\n', ' ');
  if (random.chance(0.3)) return damagedText();
  try {
    const record = fromBinary(AuditRecordSchema, damage(random, message, other.message));
    return toJsonString(AuditRecordSchema, record);
  } catch {
    return damagedText();
  }
}
