/**
 * A place in a YAML document that knows its path and its line. Reading it never throws: what is wrong is noted, something
 * neutral is answered, and the author sees every problem at once.
 */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { closest } from '../closest.ts';
import { parseDuration, parseSize } from '../quantities.ts';
import { InvalidInput, type Problem } from './problem.ts';

/** A megabyte of YAML is a mistake: the files themselves are not in it. */
export const maxDescriptionBytes = 1024 * 1024;

export type Field = {
  readonly path: string;
  /** Notes a problem at this place. */
  wrong(message: string): void;
  /** The fields of a mapping; keys that are not listed are problems. */
  mapping<Key extends string>(keys: readonly Key[]): Partial<Record<Key, Field>>;
  /** Every entry of a mapping whose keys are the author's own. */
  entries(): { key: string; value: Field }[];
  items(): Field[];
  /** Text as it stands there: `8.10` stays `8.10`. */
  text(): string;
  flag(): boolean;
  integer(): number;
  durationMs(): number;
  bytes(): number;
  /** POSIX permission bits, written in octal. */
  fileMode(): number;
  /** One of these words. */
  word<Value>(words: Readonly<Record<string, Value>>): Value | undefined;
  instant(): Date;
  is(kind: 'text' | 'list' | 'mapping'): boolean;
};

/** The root of a description. Throws `InvalidInput` when it is no YAML. */
export function openYaml(text: string, file: string): { root: Field; problems: Problem[]; at: Locate } {
  const lines = new LineCounter();
  const problems: Problem[] = [];
  if (Buffer.byteLength(text) > maxDescriptionBytes) {
    throw new InvalidInput([{ file, field: '', message: `is longer than ${maxDescriptionBytes} bytes` }]);
  }
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    throw new InvalidInput(
      document.errors.map((error) => {
        const { line, col } = lines.linePos(error.pos[0]);
        return { file, line, column: col, field: '', message: error.message };
      }),
    );
  }
  const placeOf = (node: Node | undefined | null) => {
    if (node?.range === undefined || node.range === null) return {};
    const { line, col } = lines.linePos(node.range[0]);
    return { line, column: col };
  };
  const context: Context = {
    document,
    note: (node, field, message) => void problems.push({ file, ...placeOf(node), field, message }),
  };
  const at: Locate = (path) => {
    // The innermost place on the way that the document has.
    for (let length = path.length; length > 0; length -= 1) {
      const node = document.getIn(path.slice(0, length), true);
      if (node instanceof Object && 'range' in node) return placeOf(node as Node);
    }
    return {};
  };
  return { root: fieldOf(document.contents, '', context), problems, at };
}

/** Where a path of keys and indices is in the document. */
export type Locate = (path: readonly (string | number)[]) => { line?: number; column?: number };

type Context = {
  document: Document;
  note(node: Node | undefined, field: string, message: string): void;
};

function fieldOf(given: unknown, path: string, context: Context): Field {
  const node = (isAlias(given) ? given.resolve(context.document) : given) as Node | undefined;
  const wrong = (message: string) => context.note(given as Node | undefined, path, message);
  const child = (key: string, value: unknown) =>
    fieldOf(value, path === '' ? key : `${path}.${key}`, context);

  function source(what: string): string | undefined {
    if (isScalar(node) && node.value !== null) return node.source ?? String(node.value);
    wrong(`must be ${what}`);
    return undefined;
  }

  function parsed<Value>(what: string, parse: (text: string) => Value | undefined, neutral: Value): Value {
    const found = source(what);
    if (found === undefined) return neutral;
    const value = parse(found);
    if (value === undefined) wrong(`must be ${what}, and is "${found.slice(0, 60)}"`);
    return value ?? neutral;
  }

  function entries(): { key: string; value: Field }[] {
    if (!isMap(node)) {
      wrong('must be a mapping of names to values');
      return [];
    }
    return node.items.map(({ key, value }) => {
      const name = isScalar(key) ? String(key.value) : '?';
      // A key without a value is where the author will look.
      return { key: name, value: child(name, value ?? key) };
    });
  }

  return {
    path,
    wrong,
    entries,
    is: (kind) => (kind === 'text' ? isScalar(node) : kind === 'list' ? isSeq(node) : isMap(node)),
    mapping<Key extends string>(keys: readonly Key[]) {
      const fields: Partial<Record<Key, Field>> = {};
      for (const { key, value } of entries()) {
        const known = keys.find((name) => name === key);
        if (known !== undefined) fields[known] = value;
        else {
          const near = closest(key, keys);
          value.wrong(
            near === undefined
              ? `is not known here; known are ${keys.join(', ')}`
              : `is not known here; did you mean ${near}?`,
          );
        }
      }
      return fields;
    },
    items() {
      if (isSeq(node)) return node.items.map((item, index) => fieldOf(item, `${path}[${index}]`, context));
      wrong('must be a list');
      return [];
    },
    text: () => source('text') ?? '',
    flag: () => parsed('true or false', (text) => ({ true: true, false: false })[text], false),
    integer: () =>
      parsed('a whole number', (text) => (/^-?\d{1,15}$/.test(text) ? Number(text) : undefined), 0),
    durationMs: () => parsed('a duration such as 30s or 1h30m', parseDuration, 0),
    bytes: () => parsed('a size such as 64KiB or 2GB', parseSize, 0),
    fileMode: () =>
      parsed(
        'permission bits in octal, 0000 to 0777',
        (text) => (/^(0o?)?[0-7]{3}$/.test(text) ? Number.parseInt(text.slice(-3), 8) : undefined),
        0,
      ),
    word: (words) => {
      const found = source(`one of ${Object.keys(words).join(', ')}`);
      if (found === undefined) return undefined;
      if (!Object.hasOwn(words, found))
        wrong(`must be one of ${Object.keys(words).join(', ')}, and is "${found.slice(0, 60)}"`);
      return words[found];
    },
    instant: () =>
      parsed(
        'an instant in UTC such as 2026-11-01T12:00:00Z',
        (text) => {
          const at = new Date(text);
          return /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text) &&
            !Number.isNaN(at.getTime())
            ? at
            : undefined;
        },
        new Date(0),
      ),
  };
}
