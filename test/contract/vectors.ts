/** All golden vectors of the contract, computed from the cases; what is on disk must be exactly this. */
import { type DescMessage, type Message, toBinary, toJsonString } from '@bufbuild/protobuf';
import { pathToString } from '@bufbuild/protobuf/reflect';
import type { Validator } from '@bufbuild/protovalidate';
import { allCases, type MessageCases } from './cases/index.ts';
import { malformed } from './malformed.ts';
import { ruleEdits } from './rule-edits.ts';

/** One vector as vectors.json lists it. Paths are relative to the folder of vectors.json. */
export type Vector = {
  /** Full name of the message. */
  type: string;
  case: string;
  kind: 'valid' | 'invalid' | 'malformed';
  binary?: string;
  json?: string;
  /** Of an invalid vector: exactly these rules are broken, "field: rule id", in order of code points. */
  violates?: string[];
  about?: string;
};

/** The index, and the content of every file by its path. */
export type Vectors = { index: Vector[]; files: Map<string, Uint8Array> };

/** A breach whose JSON is longer than this gets no files; limits.test.ts oversteps those limits in memory. */
const maxJsonLength = 100_000;

/** Field 15,000, used nowhere, with three bytes. */
const unknownField = new Uint8Array([0xc2, 0xa9, 0x07, 0x03, 0x6e, 0x65, 0x77]);

export function computeVectors(validator: Validator): Vectors {
  const index: Vector[] = [];
  const files = new Map<string, Uint8Array>();
  for (const one of allCases) {
    const add = createAdder(one.schema, index, files);
    addValid(one, add);
    addInvalid(one, add, validator);
    for (const { name, about, binary, json } of malformed(one.schema, one.full)) {
      add({ case: name, kind: 'malformed', about }, binary, json);
    }
  }
  const names = index.map(({ type, case: name }) => `${type}/${name}`);
  const twice = names.find((name, n) => names.indexOf(name) !== n);
  if (twice !== undefined) throw new Error(`two vectors are called ${twice}`);
  return { index: index.sort((a, b) => compare(a.type, b.type) || compare(a.case, b.case)), files };
}

/** vectors.json: one vector a line, so that a change of one is a change of one line. */
export function indexText(index: readonly Vector[]): string {
  return `{"format":1,"vectors":[\n${index.map((vector) => JSON.stringify(vector)).join(',\n')}\n]}\n`;
}

/** The rules that a message breaks, as an index lists them. */
export function violationsOf(validator: Validator, schema: DescMessage, message: Message): string[] {
  const result = validator.validate(schema, message);
  if (result.kind === 'error') throw result.error;
  const broken = (result.violations ?? []).map(({ field, ruleId }) => `${pathToString(field)}: ${ruleId}`);
  return [...new Set(broken)].sort(compare);
}

type Add = (
  entry: Omit<Vector, 'type' | 'binary' | 'json'>,
  binary: Uint8Array | undefined,
  json: string | undefined,
) => void;

function createAdder(schema: DescMessage, index: Vector[], files: Map<string, Uint8Array>): Add {
  const folder = `${schema.file.proto.package}/${schema.name}`;
  return (entry, binary, json) => {
    const vector: Vector = { type: schema.typeName, ...entry };
    if (binary !== undefined) {
      vector.binary = `${folder}/${entry.case}.binpb`;
      files.set(vector.binary, binary);
    }
    if (json !== undefined) {
      vector.json = `${folder}/${entry.case}.json`;
      files.set(vector.json, new TextEncoder().encode(json));
    }
    index.push(vector);
  };
}

function addValid({ schema, valid, base }: MessageCases, add: Add): void {
  for (const [name, message] of Object.entries(valid)) {
    add({ case: name, kind: 'valid' }, toBinary(schema, message), jsonText(schema, message));
  }
  add(
    { case: 'unknown-field', kind: 'valid', about: 'field 15000 is kept when the message is written again' },
    new Uint8Array([...toBinary(schema, base), ...unknownField]),
    undefined,
  );
}

function addInvalid(one: MessageCases, add: Add, validator: Validator): void {
  const { schema, base, full, invalid } = one;
  const edits = ruleEdits(schema, base, full).map(({ name, message, field, ruleId }) => {
    const violates = violationsOf(validator, schema, message);
    if (!violates.some((broken) => broken.startsWith(field) && broken.endsWith(`: ${ruleId}`))) {
      throw new Error(`${schema.typeName} ${name} breaks [${violates.join(', ')}] instead`);
    }
    return [name, { message, violates }] as const;
  });
  for (const [name, { message, violates }] of [...edits, ...Object.entries(invalid)]) {
    const json = jsonText(schema, message);
    if (json.length > maxJsonLength) continue;
    add(
      { case: name, kind: 'invalid', violates: [...violates].sort(compare) },
      toBinary(schema, message),
      json,
    );
  }
}

function jsonText(schema: DescMessage, message: Message): string {
  return `${toJsonString(schema, message, { prettySpaces: 2 })}\n`;
}

/** By code points, so that the order is the same in every language and locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
