/**
 * Hands the readers of the bus's messages, both ways, what is nearly one. Whatever the bytes are, the answer is a value; and what is
 * taken is taken again once it has been written anew.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DescMessage, toBinary } from '@bufbuild/protobuf';
import { CloudToDeviceSchema, DeviceToCloudSchema } from '@iotdh/proto/bus/v1';
import { createPayloadReader, maxCloudToDeviceBytes, maxDeviceToCloudBytes } from '@iotdh/proto/payload';
import { eachInput, type FuzzOptions, type FuzzReport, textOf } from '../../delta/fuzz/each-input.ts';
import { damage } from '../../delta/fuzz/inputs.ts';
import type { Vector } from './vectors.ts';

const folder = join(import.meta.dirname, '..', '..', 'proto', 'vectors');

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

export async function fuzzMessages(options: FuzzOptions): Promise<FuzzReport> {
  const subjects = [
    createSubject(CloudToDeviceSchema, maxCloudToDeviceBytes),
    createSubject(DeviceToCloudSchema, maxDeviceToCloudBytes),
  ];
  const report: FuzzReport = { inputs: options.inputs, accepted: 0, refused: 0 };
  await eachInput(options, {
    make(random) {
      const { samples, accepts } = random.pick(subjects);
      const bytes = random.chance(0.02)
        ? random.bytes(random.below(300))
        : damage(random, random.pick(samples), random.pick(samples));
      return { accepts, bytes };
    },
    judge({ accepts, bytes }) {
      report[accepts(bytes) ? 'accepted' : 'refused'] += 1;
    },
    describe: ({ bytes }, which) => `${which}, ${textOf(bytes)}`,
  });
  return report;
}
