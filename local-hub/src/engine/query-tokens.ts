/** Cuts a query into tokens. Positions count characters from 1, as they are shown to people. */
import { HubError } from './error.ts';

export type Token = {
  kind: 'name' | 'string' | 'number' | 'symbol' | 'end';
  /** Of a string: its value. Otherwise as it was written. */
  text: string;
  position: number;
};

/** Longer queries are refused. */
export const maxQueryLength = 8192;

const pattern =
  /(?<space>\s+)|(?<name>[\p{L}_$][\p{L}\p{N}_$]*)|(?<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?<symbol><=|>=|!=|<>|[=<>()[\],.*])/uy;

const escapes: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/** The error for a query that is not understood. */
export function queryError(position: number, problem: string): HubError {
  return new HubError('ArgumentInvalid', `The query is not understood at character ${position}: ${problem}`);
}

function unquote(quoted: string): string {
  return quoted
    .slice(1, -1)
    .replaceAll(/\\(?:u([0-9a-fA-F]{4})|(.))/gsu, (_all, code?: string, char?: string) =>
      code === undefined
        ? (escapes[char ?? ''] ?? char ?? '')
        : String.fromCharCode(Number.parseInt(code, 16)),
    );
}

/** Throws HubError `ArgumentInvalid`. The last token is `end`. */
export function tokenize(query: string): Token[] {
  if (query.length > maxQueryLength)
    throw queryError(maxQueryLength, `it is longer than ${maxQueryLength} characters`);
  const tokens: Token[] = [];
  pattern.lastIndex = 0;
  while (pattern.lastIndex < query.length) {
    const position = pattern.lastIndex + 1;
    const groups = pattern.exec(query)?.groups;
    if (groups === undefined) {
      throw queryError(
        position,
        `${JSON.stringify(query.slice(position - 1, position + 19))} does not belong there`,
      );
    }
    const { space, name, number, string, symbol } = groups;
    if (space !== undefined) continue;
    if (name !== undefined) tokens.push({ kind: 'name', text: name, position });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number, position });
    else if (string !== undefined) tokens.push({ kind: 'string', text: unquote(string), position });
    else tokens.push({ kind: 'symbol', text: symbol ?? '', position });
  }
  tokens.push({ kind: 'end', text: 'the end', position: query.length + 1 });
  return tokens;
}
