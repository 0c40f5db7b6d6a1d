/**
 * Reads messages that come from outside without an RPC around them: the bodies of the bus, manifests, files. Size, then
 * form, then limits; whatever the bytes are, the answer is a value and never a throw.
 */
import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import { pathToString } from '@bufbuild/protobuf/reflect';
import { createValidator, type Validator } from '@bufbuild/protovalidate';
import { compileOnFirstUse, libraryCompiler } from './lazy-rules.ts';

const compiler = await libraryCompiler();
if (compiler !== null) compileOnFirstUse(compiler);

/** One broken rule: the field's path ("" for a rule of the whole message), the rule's id and what it asks for. */
export type Violation = { field: string; ruleId: string; message: string };

/** What became of some bytes. Only `valid` carries a message. */
export type Payload<Desc extends DescMessage> =
  | { kind: 'valid'; message: MessageShape<Desc> }
  | { kind: 'too-large'; bytes: number; maxBytes: number }
  | { kind: 'malformed'; cause: unknown }
  | { kind: 'invalid'; violations: Violation[] };

/** Reads bytes of one kind of message. */
export type PayloadReader<Desc extends DescMessage> = (bytes: Uint8Array) => Payload<Desc>;

/** The most bytes of an encoded bus.v1.DeviceToCloud: 256 KiB of IoT Hub less 4 KiB for its properties. */
export const maxDeviceToCloudBytes = 252 * 1024;

/** The most bytes of an encoded bus.v1.CloudToDevice: 64 KiB of IoT Hub less 1 KiB for its properties. */
export const maxCloudToDeviceBytes = 63 * 1024;

/** The most bytes of an encoded update.v1.Manifest. */
export const maxManifestBytes = 16 * 1024 * 1024;

/**
 * Compiles the rules of each type of message once for the whole process, when the first message of that type is read:
 * compiled rules take memory, and a validator keeps nothing else.
 */
export const sharedValidator: Validator = createValidator();

/** Makes a reader for messages of one type; `validator` is `sharedValidator` unless said otherwise. */
export function createPayloadReader<Desc extends DescMessage>(
  schema: Desc,
  options: { maxBytes: number; validator?: Validator },
): PayloadReader<Desc> {
  const { maxBytes, validator = sharedValidator } = options;
  return (bytes) => {
    if (bytes.byteLength > maxBytes) return { kind: 'too-large', bytes: bytes.byteLength, maxBytes };
    let message: MessageShape<Desc>;
    try {
      message = fromBinary(schema, bytes);
    } catch (cause) {
      return { kind: 'malformed', cause };
    }
    const violations = violationsOf(schema, message, validator);
    return violations.length === 0 ? { kind: 'valid', message } : { kind: 'invalid', violations };
  };
}

/** The rules of the contract that a message breaks; none: it is valid. */
export function violationsOf<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  validator: Validator = sharedValidator,
): Violation[] {
  const result = validator.validate(schema, message);
  switch (result.kind) {
    case 'valid':
      return [];
    case 'invalid':
      return result.violations.map(({ field, ruleId, message: text }) => ({
        field: pathToString(field),
        ruleId,
        message: text,
      }));
    case 'error':
      // A rule that cannot be evaluated has not passed.
      return [{ field: '', ruleId: 'error', message: result.error.message }];
  }
}
