/** How answers are written: for people a table, for programs JSON, YAML or names. */
import { type DescMessage, type JsonValue, type MessageShape, toJson } from '@bufbuild/protobuf';
import type { Terminal } from '../terminal.ts';
import { type Column, tableText } from './table.ts';
import { manyLines } from './words.ts';

export const formats = ['table', 'json', 'jsonl', 'yaml', 'name'] as const;
export type Format = (typeof formats)[number];

/** Without a choice: a table for a person, JSON for a program. */
export function formatOf(chosen: Format | undefined, terminal: Terminal): Format {
  return chosen ?? (terminal.outIsTty ? 'table' : 'json');
}

/** How one kind of thing is shown. JSON and YAML are the contract's own ProtoJSON. */
export type View<Desc extends DescMessage> = {
  schema: Desc;
  /** What `-o name` prints: an id that other commands take. */
  name(message: MessageShape<Desc>): string;
  columns: readonly Column<MessageShape<Desc>>[];
  /** More for one alone, as lines of a name and a value. Default: the columns. */
  details?: readonly Column<MessageShape<Desc>>[];
};

/** Writes a list. */
export async function printList<Desc extends DescMessage>(
  terminal: Terminal,
  format: Format,
  view: View<Desc>,
  messages: readonly MessageShape<Desc>[],
  /** What a person reads when there is none: the command that makes one. */
  empty: string,
): Promise<void> {
  const json = () => messages.map((message) => toJson(view.schema, message));
  switch (format) {
    case 'table':
      if (messages.length === 0) terminal.note(empty);
      else terminal.out(tableText(view.columns, messages, terminal));
      break;
    case 'json':
      terminal.out(`${JSON.stringify(json(), undefined, 2)}\n`);
      break;
    case 'jsonl':
      for (const item of json()) terminal.out(`${JSON.stringify(item)}\n`);
      break;
    case 'yaml':
      terminal.out(await yamlText(json()));
      break;
    case 'name':
      for (const message of messages) terminal.out(`${view.name(message)}\n`);
  }
}

/** Writes one. */
export async function printOne<Desc extends DescMessage>(
  terminal: Terminal,
  format: Format,
  view: View<Desc>,
  message: MessageShape<Desc>,
): Promise<void> {
  if (format === 'name') terminal.out(`${view.name(message)}\n`);
  else if (format === 'table') {
    const rows = (view.details ?? view.columns).map(({ header, value }) => ({
      header,
      text: manyLines(value(message, terminal)),
    }));
    const width = Math.max(...rows.map(({ header }) => header.length));
    for (const { header, text } of rows) {
      if (text === '') continue;
      const indented = text.replaceAll('\n', `\n${' '.repeat(width + 2)}`);
      terminal.out(`${terminal.style('bold', header.padEnd(width))}  ${indented}\n`);
    }
  } else await printJson(terminal, format, toJson(view.schema, message));
}

/** Writes data that no message of the contract describes. */
export async function printJson(
  terminal: Terminal,
  format: Exclude<Format, 'table' | 'name'>,
  value: JsonValue,
): Promise<void> {
  if (format === 'yaml') terminal.out(await yamlText(value));
  else terminal.out(`${JSON.stringify(value, undefined, format === 'json' ? 2 : undefined)}\n`);
}

async function yamlText(value: JsonValue): Promise<string> {
  const { stringify } = await import('yaml');
  return stringify(value);
}
