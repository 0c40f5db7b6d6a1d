/** Reads the expressions of a query: OR, AND, NOT, comparisons, lists, function calls. Depth is bounded by the reader. */
import { type Reader, readPath } from './query-reader.ts';
import { type Comparison, type Expression, type FunctionName, functionArity } from './query-syntax.ts';
import { queryError } from './query-tokens.ts';
import type { JsonValue } from './twin.ts';

const comparisons: Record<string, Comparison> = {
  '=': '=',
  '!=': '!=',
  '<>': '!=',
  '<': '<',
  '>': '>',
  '<=': '<=',
  '>=': '>=',
};

const namedValues = new Map<string, JsonValue>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

function readLiteral(reader: Reader): JsonValue | undefined {
  const { kind, text } = reader.peek();
  if (kind === 'string') return reader.take().text;
  if (kind === 'number') return Number(reader.take().text);
  const value = kind === 'name' ? namedValues.get(text.toLowerCase()) : undefined;
  if (value !== undefined) reader.take();
  return value;
}

function readList(reader: Reader): JsonValue[] {
  const closing = reader.accept('(') ? ')' : ']';
  if (closing === ']') reader.expect('[');
  const values: JsonValue[] = [];
  if (reader.accept(closing)) return values;
  do {
    const value = reader.peek().text === '[' ? reader.nested(() => readList(reader)) : readLiteral(reader);
    if (value === undefined)
      throw queryError(reader.peek().position, `a value must come here, not ${reader.peek().text}`);
    values.push(value);
  } while (reader.accept(','));
  reader.expect(closing);
  return values;
}

function readCall(reader: Reader): Expression {
  const { text, position } = reader.take();
  const name = text.toLowerCase().replaceAll('_', '');
  if (!Object.hasOwn(functionArity, name)) {
    throw queryError(
      position,
      `there is no function ${text}; there are ${Object.keys(functionArity).join(', ')}`,
    );
  }
  const arity = functionArity[name as FunctionName];
  reader.expect('(');
  const operands: Expression[] = [];
  if (!reader.accept(')')) {
    do operands.push(readOr(reader));
    while (reader.accept(','));
    reader.expect(')');
  }
  if (operands.length !== arity)
    throw queryError(position, `${text} takes ${arity} operand(s), not ${operands.length}`);
  return { kind: 'call', name: name as FunctionName, operands };
}

function readOperand(reader: Reader): Expression {
  if (reader.accept('(')) {
    const inner = readOr(reader);
    reader.expect(')');
    return inner;
  }
  if (reader.peek().text === '[' && reader.peek().kind === 'symbol')
    return { kind: 'literal', value: readList(reader) };
  const literal = readLiteral(reader);
  if (literal !== undefined) return { kind: 'literal', value: literal };
  const next = reader.peek(1);
  const isCall = reader.peek().kind === 'name' && next.kind === 'symbol' && next.text === '(';
  return isCall ? readCall(reader) : { kind: 'path', path: readPath(reader) };
}

function readComparison(reader: Reader): Expression {
  const left = readOperand(reader);
  const { kind, text } = reader.peek();
  const comparison = kind === 'symbol' && Object.hasOwn(comparisons, text) ? comparisons[text] : undefined;
  if (comparison !== undefined) {
    reader.take();
    return { kind: 'compare', comparison, left, right: readOperand(reader) };
  }
  if (reader.accept('IN')) return { kind: 'in', operand: left, choices: readList(reader) };
  const negated =
    reader.accept('NIN') ||
    (reader.peek(1).text.toLowerCase() === 'in' && reader.accept('NOT') && reader.accept('IN'));
  if (!negated) return left;
  return { kind: 'not', operand: { kind: 'in', operand: left, choices: readList(reader) } };
}

function readNot(reader: Reader): Expression {
  return reader.nested(() =>
    reader.accept('NOT') ? { kind: 'not', operand: readNot(reader) } : readComparison(reader),
  );
}

function readChain(reader: Reader, kind: 'and' | 'or', readEach: (reader: Reader) => Expression): Expression {
  const first = readEach(reader);
  const operands = [first];
  while (reader.accept(kind)) operands.push(readEach(reader));
  return operands.length === 1 ? first : { kind, operands };
}

const readAnd = (reader: Reader) => readChain(reader, 'and', readNot);

/** The loosest level: everything that may stand after WHERE. */
export function readOr(reader: Reader): Expression {
  return readChain(reader, 'or', readAnd);
}
