/**
 * Hands a device metadata that are wrong: damaged, crafted, and signed by a server that was broken into. Whatever they are, the answer is
 * one of the rules, no file takes long, and nothing is signed but what the people with the targets' keys have signed.
 */
import { eachInput, type FuzzOptions, textOf } from '../../delta/fuzz/each-input.ts';
import type { Random } from '../../delta/fuzz/random.ts';
import {
  addSignature,
  encodeMetadata,
  type Metadata,
  type Role,
  readMetadata,
  type Signer,
  type Snapshot,
} from '../src/author/index.ts';
import { createDeviceTrust, memoryStorage, type Rule } from '../src/device/index.ts';
import { createRepository, manifest, type Repository } from '../src/testing/repository.ts';
import { craft } from './craft.ts';

/** How many files were read, and how many of the devices that were handed one still took the good manifest. */
export type FuzzReport = { inputs: number; read: number; judged: number; signed: number; slowestMs: number };

const rules: ReadonlySet<Rule> = new Set([
  ...([
    'no_anchor',
    'missing_metadata',
    'too_large',
    'malformed',
    'unsigned',
    'rollback',
    'expired',
  ] as const),
  ...(['wrong_bytes', 'wrong_version', 'unsupported', 'not_a_target', 'another_target'] as const),
]);
const roles = ['root', 'targets', 'snapshot', 'timestamp'] as const;
/** Far more than the largest file takes, and far less than a loop that does not end. */
const maxMs = 20_000;
const nowMs = Date.UTC(2026, 10, 23);
const good = manifest('carto', '8.2');
const evil = manifest('carto', '6.6');

/** The same seed makes the same inputs, but for the keys. */
export async function fuzzMetadata(options: FuzzOptions): Promise<FuzzReport> {
  const repository = await createRepository({ nowMs });
  await repository.publish(good);
  await repository.rotate({});
  const report: FuzzReport = { inputs: options.inputs, read: 0, judged: 0, signed: 0, slowestMs: 0 };
  await eachInput(options, {
    make(random) {
      const role = random.pick(roles);
      return { role, bytes: craft(random, bytesOf(repository, role)) };
    },
    async judge({ role, bytes }, random) {
      const beganMs = performance.now();
      await look(repository, role, bytes, random, report);
      report.slowestMs = Math.max(report.slowestMs, performance.now() - beganMs);
      if (report.slowestMs > maxMs) throw new Error('it took too long');
    },
    describe: ({ role, bytes }, which) => `${role}: ${which}, ${textOf(bytes)}`,
  });
  return report;
}

const bytesOf = (repository: Repository, role: Role): Buffer =>
  role === 'root' ? repository.roots.at(-1)! : repository[role];

async function look(
  repository: Repository,
  role: Role,
  bytes: Buffer,
  random: Random,
  report: FuzzReport,
): Promise<void> {
  const read = readMetadata(role, bytes);
  if (read.kind === 'refused') {
    requireRule(read.rule);
    // The workflow reads with the same reader, so only some of these go all the way.
    if (!random.chance(0.02)) return;
  } else report.read += 1;
  // Whoever has broken into the server has its keys; those of people are elsewhere.
  const isOnline = role === 'snapshot' || role === 'timestamp';
  const handed =
    read.kind === 'read' && isOnline && random.chance(0.5)
      ? await signedAnew(role, bytes, repository.signers[role][0]!)
      : bytes;
  report.judged += 1;
  const device = createDeviceTrust({
    ...{ storage: memoryStorage(), anchor: repository.anchor, builtAtMs: nowMs },
    ...{ uptimeMs: () => 0, wallMs: () => nowMs },
  });
  const newestRoot = repository.roots.length;
  const files = repository.files().map((file) => {
    const isTheOne = file.role === role && (role !== 'root' || file.version === newestRoot);
    return isTheOne ? { ...file, bytes: handed } : file;
  });
  const onEvil = await device.verify(evil, files, 'evil');
  const onGood = await device.verify(good, files, 'good');
  if (onEvil.kind === 'signed') throw new Error('a manifest is taken that nobody signed');
  requireRule(onEvil.rule);
  if (onGood.kind === 'signed') report.signed += 1;
  else requireRule(onGood.rule);
}

async function signedAnew(role: 'snapshot' | 'timestamp', bytes: Buffer, signer: Signer): Promise<Buffer> {
  const read = readMetadata(role, bytes);
  if (read.kind === 'refused') return bytes;
  try {
    await addSignature(read.metadata as Metadata<Snapshot>, signer);
    return encodeMetadata(read.metadata as Metadata<Snapshot>);
  } catch {
    // Canonical JSON has no fractions, so nobody can sign one.
    return bytes;
  }
}

function requireRule(rule: Rule): void {
  if (!rules.has(rule)) throw new Error(`${rule} is no rule`);
}
