/**
 * Looks through JSON before the parser does, which keeps the last of two members with one name and says nothing. Only what
 * `JSON.parse` leaves open is judged here; whether it is JSON at all is left to the parser.
 */
import { maxDepth, maxMembers } from './limits.ts';

export type Scan = { kind: 'fine' } | { kind: 'refused'; detail: string };

type Level = { names: Set<string> | null; members: number };

const refused = (detail: string): Scan => ({ kind: 'refused', detail });

/** One pass, no recursion. */
export function scanJson(text: string): Scan {
  const levels: Level[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '{' || character === '[') {
      levels.push({ names: character === '{' ? new Set() : null, members: 0 });
      if (levels.length > maxDepth) return refused(`it is nested deeper than ${maxDepth}`);
    } else if (character === '}' || character === ']') {
      levels.pop();
    } else if (character === '"') {
      const end = endOfString(text, at);
      const level = levels.at(-1);
      if (level?.names && isName(text, end)) {
        const name = decoded(text.slice(at, end));
        if (name === null) return refused('a name in it is no string');
        if (level.names.has(name)) return refused(`${JSON.stringify(name)} is there twice`);
        level.names.add(name);
      }
      at = end - 1;
    } else if (character === ',') {
      const level = levels.at(-1);
      if (level === undefined) continue;
      level.members += 1;
      if (level.members >= maxMembers) return refused(`one of its parts has more than ${maxMembers} members`);
    }
  }
  return { kind: 'fine' };
}

/** Just after the closing quote, or the end of the text. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return Math.min(at + 1, text.length);
}

/** A string is a name when a colon follows. */
function isName(text: string, from: number): boolean {
  let at = from;
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at += 1;
  return text[at] === ':';
}

/** Two spellings of one name are one name. */
function decoded(quoted: string): string | null {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return null;
  }
}
