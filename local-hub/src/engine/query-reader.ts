/** Steps through the tokens of a query, and reads property paths, which stand everywhere in it. */
import type { Path } from './query-syntax.ts';
import { queryError, type Token, tokenize } from './query-tokens.ts';

const maxDepth = 32;

export type Reader = {
  peek(ahead?: number): Token;
  take(): Token;
  /** Takes a keyword (whatever its case) or a symbol if it comes next. */
  accept(text: string): boolean;
  expect(text: string): void;
  /** Runs `read` one level deeper. */
  nested<T>(read: () => T): T;
};

/** Throws HubError `ArgumentInvalid` for what are no tokens. */
export function createReader(query: string): Reader {
  const tokens = tokenize(query);
  const end: Token = { kind: 'end', text: 'the end', position: query.length + 1 };
  let next = 0;
  let depth = 0;
  const peek = (ahead = 0) => tokens[next + ahead] ?? end;
  function take(): Token {
    const token = peek();
    next += 1;
    return token;
  }
  function accept(text: string): boolean {
    const { kind, text: found } = peek();
    const matches =
      (kind === 'name' && found.toLowerCase() === text.toLowerCase()) ||
      (kind === 'symbol' && found === text);
    if (matches) next += 1;
    return matches;
  }
  return {
    peek,
    take,
    accept,
    expect(text) {
      if (!accept(text)) throw queryError(peek().position, `${text} must come here, not ${peek().text}`);
    },
    nested(read) {
      depth += 1;
      if (depth > maxDepth) throw queryError(peek().position, `it is nested more than ${maxDepth} deep`);
      const result = read();
      depth -= 1;
      return result;
    },
  };
}

/** `a.b`, `a['b']`, `a[0]`; a leading `devices.` is left out. */
export function readPath(reader: Reader): Path {
  const first = reader.take();
  if (first.kind !== 'name') throw queryError(first.position, `a property must come here, not ${first.text}`);
  const path: (string | number)[] = [first.text];
  for (;;) {
    if (reader.accept('.')) {
      const token = reader.take();
      if (token.kind !== 'name')
        throw queryError(token.position, `a name must follow the dot, not ${token.text}`);
      path.push(token.text);
    } else if (reader.accept('[')) {
      const token = reader.take();
      const isIndex = token.kind === 'number' && /^\d{1,9}$/.test(token.text);
      if (token.kind !== 'string' && !isIndex) {
        throw queryError(token.position, `a key in quotes or an index must come here, not ${token.text}`);
      }
      path.push(isIndex ? Number(token.text) : token.text);
      reader.expect(']');
    } else return path.length > 1 && first.text.toLowerCase() === 'devices' ? path.slice(1) : path;
  }
}
