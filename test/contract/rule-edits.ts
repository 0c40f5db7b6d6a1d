/**
 * For each limit on a field of a message, the one edit that oversteps it by the least: a string one character too long, a
 * number one too high, a required field left out. Fixed edits of a case that is written by hand, so the vectors that come
 * of them are the same every time and grow with the contract.
 */
import {
  clone,
  create,
  type DescField,
  type DescMessage,
  type DescOneof,
  getOption,
  type Message,
} from '@bufbuild/protobuf';
import { DurationSchema } from '@bufbuild/protobuf/wkt';
import { type FieldRules, field as fieldRules, oneof as oneofRules } from '@iotdh/proto/buf/validate';

/** A message that breaks the rule `ruleId` on `field`, and perhaps others. */
export type RuleEdit = { name: string; message: Message; field: string; ruleId: string };

/** Overstepping a limit above these makes no vector: the vector would be a file of megabytes. */
const maxLength = 65_536;
const maxItems = 1000;

/** A value that breaks a rule, with the name of its case. `undefined` leaves the field out. */
type Breach = [name: string, ruleId: string, value: unknown];

/** The edits of `base` for every limit in its own fields; `full` lends elements to lists that are empty in `base`. */
export function ruleEdits(schema: DescMessage, base: Message, full: Message): RuleEdit[] {
  const ofFields = schema.fields.flatMap((field) =>
    breaches(field, fieldOf(base, field) ?? fieldOf(full, field), fieldOf(full, field)).map(
      ([name, ruleId, value]) => ({
        name: `${field.name}-${name}`,
        message: edited(schema, base, field, value),
        field: field.name,
        ruleId,
      }),
    ),
  );
  const ofOneofs = schema.oneofs
    .filter((oneof) => getOption(oneof, oneofRules).required)
    .map((oneof) => ({
      name: `${oneof.name}-missing`,
      message: withoutOneof(schema, base, oneof),
      field: oneof.name,
      ruleId: 'required',
    }));
  return [...ofFields, ...ofOneofs].map((edit) => ({
    ...edit,
    name: edit.name.replaceAll('_', '-'),
  }));
}

function fieldOf(message: Message, field: DescField): unknown {
  const record = message as unknown as Record<string, unknown>;
  if (field.oneof === undefined) return record[field.localName];
  const chosen = record[field.oneof.localName] as { case?: string; value?: unknown };
  return chosen.case === field.localName ? chosen.value : undefined;
}

function edited(schema: DescMessage, base: Message, field: DescField, value: unknown): Message {
  const message = clone(schema, base);
  const record = message as unknown as Record<string, unknown>;
  if (field.oneof === undefined) record[field.localName] = value;
  else record[field.oneof.localName] = { case: field.localName, value };
  return message;
}

function withoutOneof(schema: DescMessage, base: Message, oneof: DescOneof): Message {
  const message = clone(schema, base);
  (message as unknown as Record<string, unknown>)[oneof.localName] = { case: undefined };
  return message;
}

/** One breach if the rule is there, else none. The value is made only then. */
function when(there: boolean, name: string, ruleId: string, value: () => unknown): Breach[] {
  return there ? [[name, ruleId, value()]] : [];
}

function breaches(field: DescField, current: unknown, full: unknown): Breach[] {
  const rules = getOption(field, fieldRules);
  if (field.fieldKind === 'list') return listBreaches(rules, current as unknown[], full as unknown[]);
  if (field.fieldKind === 'map') return mapBreaches(rules, current as Record<string, unknown>);
  return [...when(rules.required, 'missing', 'required', () => undefined), ...valueBreaches(rules)];
}

function listBreaches({ type }: FieldRules, current: unknown[], full: unknown[]): Breach[] {
  if (type.case !== 'repeated') return [];
  const { minItems, maxItems: most, unique, items } = type.value;
  const [first] = full.length > 0 ? full : current;
  return [
    ...when(minItems > 0n, 'too-few', 'repeated.min_items', () => []),
    ...when(most > 0n && most <= maxItems, 'too-many', 'repeated.max_items', () =>
      new Array(Number(most) + 1).fill(first),
    ),
    ...when(unique, 'twice', 'repeated.unique', () => [first, first]),
    ...(items ? valueBreaches(items) : []).map(
      ([name, ruleId, value]): Breach => [`item-${name}`, ruleId, [value]],
    ),
  ];
}

function mapBreaches({ type }: FieldRules, current: Record<string, unknown>): Breach[] {
  if (type.case !== 'map') return [];
  const { maxPairs, keys, values } = type.value;
  const pairs = () =>
    Object.fromEntries(Array.from({ length: Number(maxPairs) + 1 }, (_, n) => [`k${n}`, 'v']));
  return [
    ...when(maxPairs > 0n, 'too-many', 'map.max_pairs', pairs),
    ...(keys ? valueBreaches(keys) : []).map(
      ([name, ruleId, key]): Breach => [`key-${name}`, ruleId, { ...current, [String(key)]: 'v' }],
    ),
    ...(values ? valueBreaches(values) : []).map(
      ([name, ruleId, value]): Breach => [`value-${name}`, ruleId, { ...current, k: value }],
    ),
  ];
}

function valueBreaches({ type }: FieldRules): Breach[] {
  switch (type.case) {
    case 'string': {
      const { minLen, maxLen, maxBytes, pattern, wellKnown } = type.value;
      return [
        ...when(minLen > 0n, 'too-short', 'string.min_len', () => 'a'.repeat(Number(minLen) - 1)),
        ...when(maxLen > 0n, 'too-long', 'string.max_len', () => 'a'.repeat(Number(maxLen) + 1)),
        // Two bytes a character: within the limit for whoever counts characters.
        ...when(maxBytes > 0n, 'too-many-bytes', 'string.max_bytes', () =>
          'é'.repeat(Number(maxBytes) / 2 + 1),
        ),
        ...when(pattern !== '', 'off-pattern', 'string.pattern', () => '\u0001'),
        ...when(wellKnown.case === 'uuid', 'no-uuid', 'string.uuid', () => `${'0'.repeat(35)}g`),
        ...when(wellKnown.case === 'uri', 'no-uri', 'string.uri', () => 'https://exa mple'),
      ];
    }
    case 'bytes': {
      const { len, minLen, maxLen } = type.value;
      return [
        ...when(len > 0n, 'wrong-length', 'bytes.len', () => new Uint8Array(Number(len) - 1)),
        ...when(minLen > 0n, 'too-short', 'bytes.min_len', () => new Uint8Array(Number(minLen) - 1)),
        ...when(
          maxLen > 0n && maxLen <= maxLength,
          'too-long',
          'bytes.max_len',
          () => new Uint8Array(Number(maxLen) + 1),
        ),
      ];
    }
    case 'uint32':
    case 'uint64': {
      const { const: only, greaterThan: least, lessThan: most } = type.value;
      return [
        ...when(only > 0, 'other', `${type.case}.const`, () => above(only)),
        ...(least.case === 'gte'
          ? when(true, 'too-low', rangeId(type.case, least, most), () => below(least.value))
          : []),
        ...(most.case === 'lte'
          ? when(true, 'too-high', rangeId(type.case, least, most), () => above(most.value))
          : []),
      ];
    }
    case 'double':
      return when(type.value.finite, 'not-finite', 'double.finite', () => Number.NaN);
    case 'enum': {
      const { definedOnly, notIn } = type.value;
      return [
        ...when(definedOnly, 'undefined', 'enum.defined_only', () => 99),
        ...when(notIn.includes(0), 'unspecified', 'enum.not_in', () => 0),
      ];
    }
    case 'duration': {
      const { greaterThan: least, lessThan: most } = type.value;
      return [
        ...(least.case
          ? when(true, 'too-short', rangeId('duration', least, most), () =>
              duration(nanosecondsOf(least.value) - (least.case === 'gte' ? 1n : 0n)),
            )
          : []),
        ...(most.case === 'lte'
          ? when(true, 'too-long', rangeId('duration', least, most), () =>
              duration(nanosecondsOf(most.value) + 1n),
            )
          : []),
      ];
    }
    default:
      return [];
  }
}

type Bound = { case?: string | undefined };

/** Protovalidate names a lower and an upper bound on one field as one rule. */
function rangeId(type: string, least: Bound, most: Bound): string {
  return `${type}.${[least.case, most.case].filter((bound) => bound !== undefined).join('_')}`;
}

const nanosecondsOf = ({ seconds, nanos }: { seconds: bigint; nanos: number }): bigint =>
  seconds * 1_000_000_000n + BigInt(nanos);

/** Division truncates towards zero, which is how a Duration wants its two parts: never of different sign. */
const duration = (nanoseconds: bigint) =>
  create(DurationSchema, {
    seconds: nanoseconds / 1_000_000_000n,
    nanos: Number(nanoseconds % 1_000_000_000n),
  });

const above = (limit: number | bigint): number | bigint =>
  typeof limit === 'bigint' ? limit + 1n : limit + 1;
const below = (limit: number | bigint): number | bigint =>
  typeof limit === 'bigint' ? limit - 1n : limit - 1;
