/**
 * What no reader may take for a message: bytes that end too early or count too far, and JSON of the wrong shape. Fixed
 * edits of a valid case, the same for every message.
 */
import {
  type DescField,
  type DescMessage,
  type Message,
  ScalarType,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';

/** One malformed case: bytes or JSON text, never both. */
export type Malformed = { name: string; about: string; binary?: Uint8Array; json?: string };

/** Field 15,000 is used nowhere; tag for a length-delimited value. */
const unknownTag = [0xc2, 0xa9, 0x07];

/** The malformed cases of a message; those of form alone only where messages arrive on their own. */
export function malformed(schema: DescMessage, valid: Message): Malformed[] {
  const arrives = /^(DeviceToCloud|CloudToDevice|Manifest|.*Request)$/.test(schema.name);
  return [...malformedContent(schema, valid), ...(arrives ? malformedForm(schema, valid) : [])];
}

function malformedContent(schema: DescMessage, valid: Message): Malformed[] {
  const bytes = toBinary(schema, valid);
  const [field] = schema.fields;
  const enumField = schema.fields.find((one) => one.enum !== undefined);
  const cases: Malformed[] = [];
  if (bytes.length > 0) {
    cases.push({ name: 'truncated', about: 'the last byte is missing', binary: bytes.slice(0, -1) });
  }
  if (field !== undefined) {
    cases.push({
      name: 'json-wrong-type',
      about: `${field.name} has a value of another type`,
      json: jsonWith(schema, valid, field.jsonName, field.fieldKind === 'list' ? {} : [[]]),
    });
  }
  if (enumField !== undefined) {
    cases.push({
      name: 'json-unknown-enum',
      about: `${enumField.name} has a name that its enum lacks`,
      json: jsonWith(
        schema,
        valid,
        enumField.jsonName,
        enumField.fieldKind === 'list' ? ['NO_SUCH_VALUE'] : 'NO_SUCH_VALUE',
      ),
    });
  }
  return cases;
}

function malformedForm(schema: DescMessage, valid: Message): Malformed[] {
  const bytes = toBinary(schema, valid);
  const withBytes = (...more: number[]) => new Uint8Array([...bytes, ...more]);
  const text = stringField(schema);
  const notUtf8 = (field: DescField): Malformed => ({
    name: 'not-utf8',
    about: `${field.name} holds a byte that UTF-8 does not have`,
    binary: withBytes(...tagOf(field.number), 0x01, 0xff),
  });
  return [
    {
      name: 'length-past-end',
      about: 'a field announces 127 bytes and none follow',
      binary: withBytes(...unknownTag, 0x7f),
    },
    {
      name: 'overlong-varint',
      about: 'a tag takes eleven bytes; a varint has at most ten',
      binary: withBytes(...new Array<number>(10).fill(0x80), 0x01),
    },
    // Google's upb takes a zero tag for the end of a message that has no fields.
    ...(schema.fields.length > 0
      ? [{ name: 'tag-zero', about: 'no field has the number 0', binary: withBytes(0x02, 0x00) }]
      : []),
    { name: 'end-without-group', about: 'a group ends that did not begin', binary: withBytes(0x0c) },
    ...(text === undefined ? [] : [notUtf8(text)]),
    { name: 'json-string', about: 'a string is no message', json: '"message"\n' },
    {
      name: 'json-unknown-field',
      about: 'no field has this name',
      json: jsonWith(schema, valid, 'noSuchField', 1),
    },
  ];
}

/** The message's JSON with one member replaced or added. */
function jsonWith(schema: DescMessage, valid: Message, name: string, value: unknown): string {
  const json = toJson(schema, valid) as Record<string, unknown>;
  return `${JSON.stringify({ ...json, [name]: value })}\n`;
}

function stringField(schema: DescMessage): DescField | undefined {
  return schema.fields.find((field) => field.fieldKind === 'scalar' && field.scalar === ScalarType.STRING);
}

/** The tag of a length-delimited field below 2,048. */
function tagOf(number: number): number[] {
  const tag = (number << 3) | 2;
  return tag < 0x80 ? [tag] : [(tag & 0x7f) | 0x80, tag >> 7];
}
