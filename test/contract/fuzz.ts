/**
 * Hands the readers of the bus's messages, both ways, what is nearly one. Whatever the bytes are, the answer is a value; and what is
 * taken is taken again once it has been written anew.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DescMessage, toBinary } from '@bufbuild/protobuf';
import { CloudToDeviceSchema, DeviceToCloudSchema } from '@iotdh/proto/bus/v1';
import { createPayloadReader, maxCloudToDeviceBytes, maxDeviceToCloudBytes } from '@iotdh/proto/payload';
import { damage } from '../../delta/fuzz/inputs.ts';
import { createRandom } from '../../delta/fuzz/random.ts';
import type { Vector } from './vectors.ts';

export type FuzzOptions = {
  inputs: number;
  /** The same seed makes the same inputs. */
  seed: number;
  signal: AbortSignal;
  progress?(done: number): void;
};

/** How many inputs were messages within the contract's limits, and how many were not. */
export type FuzzReport = { inputs: number; accepted: number; refused: number };

/** An input breaks what must hold. */
export class FuzzFailure extends Error {}

const folder = join(import.meta.dirname, '..', '..', 'proto', 'vectors');
const progressInputs = 50_000;

/** What tries one type of message: its valid vectors, and a reader that throws for an input that breaks what must hold. */
function createSubject<Desc extends DescMessage>(schema: Desc, maxBytes: number) {
  const read = createPayloadReader(schema, { maxBytes });
  const index = JSON.parse(readFileSync(join(folder, 'vectors.json'), 'utf8')) as { vectors: Vector[] };
  const samples = index.vectors
    .filter(({ type, kind }) => type === schema.typeName && kind === 'valid')
    .flatMap(({ binary }) => (binary === undefined ? [] : [readFileSync(join(folder, binary))]));
  function accepts(bytes: Uint8Array): boolean {
    const payload = read(bytes);
    if (payload.kind !== 'valid') return false;
    const again = read(toBinary(schema, payload.message));
    if (again.kind !== 'valid') throw new Error(`what was taken is ${again.kind} once it is written anew`);
    return true;
  }
  return { samples, accepts };
}

export async function fuzzMessages({ inputs, seed, signal, progress }: FuzzOptions): Promise<FuzzReport> {
  const subjects = [
    createSubject(CloudToDeviceSchema, maxCloudToDeviceBytes),
    createSubject(DeviceToCloudSchema, maxDeviceToCloudBytes),
  ];
  const report: FuzzReport = { inputs, accepted: 0, refused: 0 };
  for (let index = 0; index < inputs; index += 1) {
    const random = createRandom(seed, index);
    const { samples, accepts } = random.pick(subjects);
    const bytes = random.chance(0.02)
      ? random.bytes(random.below(300))
      : damage(random, random.pick(samples), random.pick(samples));
    try {
      report[accepts(bytes) ? 'accepted' : 'refused'] += 1;
    } catch (cause) {
      const words = `input ${index} of seed ${seed}, ${bytes.toString('base64').slice(0, 4_000)}`;
      throw new FuzzFailure(words, { cause });
    }
    if ((index + 1) % progressInputs !== 0) continue;
    signal.throwIfAborted();
    progress?.(index + 1);
    // Lets what else waits have its turn: nothing here does.
    await new Promise(setImmediate);
  }
  return report;
}
