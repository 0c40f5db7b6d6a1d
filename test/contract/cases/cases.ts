/** The form in which golden cases are written down: by hand, one entry for each message of the contract. */
import { create, type DescMessage, type Message, type MessageInitShape } from '@bufbuild/protobuf';

/** A message that breaks rules, and which: "field: rule id", with an empty field for a rule of the whole message. */
export type InvalidCase = { message: Message; violates: readonly string[] };

/** Everything that is written down about one message. */
export type MessageCases = {
  schema: DescMessage;
  /** By name. */
  valid: Readonly<Record<string, Message>>;
  /** The first valid case: what derived cases are edits of. */
  base: Message;
  /** The case called `full`. */
  full: Message;
  invalid: Readonly<Record<string, InvalidCase>>;
};

/**
 * The cases of one message. `minimal` has only what the limits demand, `full` as many fields as go together; a message
 * whose fields exclude one another needs more. An invalid case is an edit of `full`, with the rules that it breaks.
 */
export function cases<Desc extends DescMessage>(
  schema: Desc,
  valid: { full: MessageInitShape<Desc>; [name: string]: MessageInitShape<Desc> },
  invalid: Record<string, readonly [edit: MessageInitShape<Desc>, ...violates: string[]]> = {},
): MessageCases {
  const full = create(schema, valid.full);
  const made = Object.entries(valid).map(([name, init]) => [name, create(schema, init)] as const);
  return {
    schema,
    valid: Object.fromEntries(made),
    base: made[0]?.[1] ?? full,
    full,
    invalid: Object.fromEntries(
      Object.entries(invalid).map(([name, [edit, ...violates]]) => [
        name,
        { message: create(schema, { ...valid.full, ...edit } as MessageInitShape<Desc>), violates },
      ]),
    ),
  };
}
