/**
 * Hands the host service requests that are damaged, or well formed and wild, as bytes and as JSON. Whatever they are, the answer is
 * one that its contract knows; what breaks the contract does nothing; and nothing is done that is on no list.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type DescMethod,
  fromBinary,
  fromJsonString,
  type JsonValue,
  type Message,
  toJson,
} from '@bufbuild/protobuf';
import { createConnectRouter } from '@connectrpc/connect';
import { HostService } from '@iotdh/proto/host/v1';
import { createLimits } from '@iotdh/proto/limits';
import { sharedValidator as validator } from '@iotdh/proto/payload';
import { eachInput, type FuzzOptions, type FuzzReport, textOf } from '../../delta/fuzz/each-input.ts';
import { damage } from '../../delta/fuzz/inputs.ts';
import type { Random } from '../../delta/fuzz/random.ts';
import { openCallJournal } from '../src/host-service/call-journal.ts';
import { createService } from '../src/host-service/service.ts';
import { createHostMachine, services } from './host-machine.ts';

const vectors = join(import.meta.dirname, '..', '..', 'proto', 'vectors');
/** What somebody would send who is after more than the list allows; and what is merely odd. */
const evil = ['../secret', 'contents/link', 'contents/../../secret', 'sshd', '-o', 'a b'];
const odd: readonly JsonValue[] = [
  ...['', '--', '/', '..', 'contents/one', '$(reboot)', 'a;reboot', 'a\nb', 'a\u0000b', '\u202e', '\ud800'],
  ...['libc6:i386', '-1s', '0s', '1e9s', '9'.repeat(40), 'x'.repeat(5000)],
  ...[-1, 0, 1e308, 2 ** 53, true, null, [], {}],
];
type Sample = { method: DescMethod; bytes: Buffer };
type Input = Sample & { isJson: boolean };

/** What the contract's examples of requests are, valid and not. */
function readSamples(): Sample[] {
  const { vectors: all } = JSON.parse(readFileSync(join(vectors, 'vectors.json'), 'utf8')) as {
    vectors: { type: string; binary?: string }[];
  };
  return HostService.methods.flatMap((method) =>
    all.flatMap(({ type, binary }) =>
      type === method.input.typeName && binary !== undefined
        ? [{ method, bytes: readFileSync(join(vectors, binary)) }]
        : [],
    ),
  );
}

function wilder(random: Random, value: JsonValue, oddness: number): JsonValue {
  if (random.chance(oddness)) return random.pick(random.chance(0.5) ? evil : odd);
  if (Array.isArray(value)) {
    const times = random.chance(0.02) ? 300 : 1;
    return Array.from({ length: times }, () => value.map((one) => wilder(random, one, oddness))).flat();
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, wilder(random, one, oddness)]));
}

/** Of another operation each time, or an id would be all that most are refused for. */
function withId(random: Random, value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null || !('operationId' in value)) return value;
  const [a = '', b = '', c = ''] = [8, 4, 12].map((length) =>
    random.bytes(length).toString('hex').slice(0, length),
  );
  return { ...value, operationId: `${a}-${b}-4${b.slice(1)}-8${b.slice(1)}-${c}` };
}

function inputFor(random: Random, samples: readonly Sample[]): Input {
  const { method, bytes } = random.pick(samples);
  if (random.chance(0.3))
    return { method, bytes: damage(random, bytes, random.pick(samples).bytes), isJson: false };
  let json: JsonValue;
  try {
    json = toJson(method.input, fromBinary(method.input, bytes));
  } catch {
    return { method, bytes, isJson: false };
  }
  const text = Buffer.from(
    JSON.stringify(wilder(random, withId(random, json), random.pick([0.03, 0.1, 0.3]))),
  );
  return { method, bytes: random.chance(0.1) ? damage(random, text, bytes) : text, isJson: true };
}

/** Null: it is no message of this type. */
function messageOf({ method, bytes, isJson }: Input): Message | null {
  try {
    return isJson
      ? fromJsonString(method.input, bytes.toString(), { ignoreUnknownFields: true })
      : fromBinary(method.input, bytes);
  } catch {
    return null;
  }
}

/** Throws for an input that breaks what must hold, and names it. */
export async function fuzzHostService(options: FuzzOptions): Promise<FuzzReport> {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-fuzz-'));
  const { inputs, signal } = options;
  const { operations, imageFolder, seen } = createHostMachine(folder);
  const journal = openCallJournal(':memory:');
  const { signal: stopping } = new AbortController();
  const service = createService({
    ...{ operations, services, imageFolder, journal, stopping },
    now: () => 0,
  });
  const { handlers } = createConnectRouter(createLimits({ readMaxBytes: 4 * 1024 * 1024 })).service(
    HostService,
    service,
  );
  const byPath = new Map(handlers.map((handler) => [handler.requestPath, handler]));
  const samples = readSamples();

  async function isAnswered(input: Input): Promise<boolean> {
    const { method, bytes, isJson } = input;
    const path = `/${HostService.typeName}/${method.name}`;
    const handler = byPath.get(path);
    assert.ok(handler !== undefined, `${path} is not served`);
    const before = seen.acted;
    const answer = await handler({
      ...{ httpVersion: '1.1', method: 'POST', url: `https://host.invalid${path}`, signal },
      header: new Headers({ 'content-type': isJson ? 'application/json' : 'application/proto' }),
      body: (async function* () {
        yield bytes;
      })(),
    });
    const chunks: Uint8Array[] = [];
    for await (const chunk of answer.body ?? []) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    if (seen.violation !== null) throw seen.violation;
    const message = messageOf(input);
    const isValid = message !== null && validator.validate(method.input, message).kind === 'valid';
    assert.ok(isValid || seen.acted === before, 'it breaks the contract, and something was done');
    if (answer.status === 200) {
      const said = isJson ? fromJsonString(method.output, body.toString()) : fromBinary(method.output, body);
      assert.equal(validator.validate(method.output, said).kind, 'valid', 'the answer breaks the contract');
      return true;
    }
    const { code } = JSON.parse(body.toString()) as { code: string };
    // Connect's word for bytes that are no message.
    if (code === 'internal' && message === null) return false;
    assert.match(
      code,
      /^(invalid_argument|permission_denied|resource_exhausted|aborted|failed_precondition)$/,
    );
    return false;
  }

  const report: FuzzReport = { inputs, accepted: 0, refused: 0 };
  try {
    await eachInput(options, {
      make: (random) => inputFor(random, samples),
      async judge(input) {
        report[(await isAnswered(input)) ? 'accepted' : 'refused'] += 1;
      },
      describe: ({ method, bytes }, which) => `${method.name}, ${which}: ${textOf(bytes)}`,
    });
  } finally {
    journal.close();
    rmSync(folder, { recursive: true });
  }
  return report;
}
