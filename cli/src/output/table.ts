/** Tables for people: aligned columns without lines between them. */
import { stripVTControlCharacters } from 'node:util';
import type { Terminal } from '../terminal.ts';
import { oneLine } from './words.ts';

export type Column<Item> = {
  header: string;
  /** May be coloured. Empty: a dash. */
  value(item: Item, terminal: Terminal): string;
};

const gap = '  ';

export function tableText<Item>(
  columns: readonly Column<Item>[],
  items: readonly Item[],
  terminal: Terminal,
): string {
  const rows = items.map((item) => columns.map(({ value }) => oneLine(value(item, terminal)) || '-'));
  const widths = columns.map(({ header }, index) =>
    Math.max(header.length, ...rows.map((row) => widthOf(row[index] ?? ''))),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, index) => cell + ' '.repeat(Math.max(0, (widths[index] ?? 0) - widthOf(cell))))
      .join(gap)
      .trimEnd();
  const header = line(columns.map((column) => column.header));
  return `${[terminal.style('bold', header), ...rows.map(line)].join('\n')}\n`;
}

const widthOf = (text: string): number => stripVTControlCharacters(text).length;
