/** What a query says, as a tree. */
import type { JsonValue } from './twin.ts';

/** A property: `tags.site`, `properties.reported['a b'][0]`. */
export type Path = readonly (string | number)[];

export type Comparison = '=' | '!=' | '<' | '>' | '<=' | '>=';

export type Expression =
  | { kind: 'literal'; value: JsonValue }
  | { kind: 'path'; path: Path }
  | { kind: 'and' | 'or'; operands: readonly Expression[] }
  | { kind: 'not'; operand: Expression }
  | { kind: 'compare'; comparison: Comparison; left: Expression; right: Expression }
  | { kind: 'in'; operand: Expression; choices: readonly JsonValue[] }
  | { kind: 'call'; name: FunctionName; operands: readonly Expression[] };

/** Functions with the number of their operands. Names have no underscores here: both spellings are in use. */
export const functionArity = {
  isdefined: 1,
  isnull: 1,
  isnumber: 1,
  isstring: 1,
  isbool: 1,
  isobject: 1,
  isarray: 1,
  isprimitive: 1,
  startswith: 2,
  endswith: 2,
  contains: 2,
} as const;
export type FunctionName = keyof typeof functionArity;

export const aggregates = ['count', 'sum', 'avg', 'min', 'max'] as const;
export type AggregateName = (typeof aggregates)[number];

/** One column of the result. */
export type Projection =
  | { kind: 'path'; path: Path; name: string }
  /** `path` is undefined for COUNT() only. */
  | { kind: 'aggregate'; aggregate: AggregateName; path: Path | undefined; name: string };

export type Query = {
  /** Undefined for `SELECT *`. */
  projections: readonly Projection[] | undefined;
  /** Undefined for no TOP. */
  top: number | undefined;
  where: Expression | undefined;
  groupBy: readonly Path[];
};
