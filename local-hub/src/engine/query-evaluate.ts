/**
 * What a query's expressions mean for one device. What is not defined is neither true nor false: it makes comparisons
 * undefined, and a WHERE takes only what is true.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Comparison, Expression, FunctionName, Path } from './query-syntax.ts';
import { isJsonObject, type JsonObject, type JsonValue } from './twin.ts';

type Value = JsonValue | undefined;

/** The value at a path; undefined when there is none. */
export function valueAt(document: JsonObject, path: Path): Value {
  let value: Value = document;
  for (const key of path) {
    if (Array.isArray(value)) value = typeof key === 'number' ? value[key] : undefined;
    else if (isJsonObject(value) && Object.hasOwn(value, String(key))) value = value[String(key)];
    else return undefined;
  }
  return value;
}

function order(left: JsonValue, right: JsonValue): number | undefined {
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  if (typeof left !== 'string' || typeof right !== 'string') return undefined;
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function compare(comparison: Comparison, left: Value, right: Value): boolean | undefined {
  if (left === undefined || right === undefined) return undefined;
  if (comparison === '=') return isDeepStrictEqual(left, right);
  if (comparison === '!=') return !isDeepStrictEqual(left, right);
  const difference = order(left, right);
  if (difference === undefined) return undefined;
  if (comparison === '<') return difference < 0;
  if (comparison === '<=') return difference <= 0;
  return comparison === '>' ? difference > 0 : difference >= 0;
}

function isPrimitive(value: Value): boolean {
  return value !== undefined && (value === null || typeof value !== 'object');
}

function call(name: FunctionName, first: Value, second: Value): boolean | undefined {
  switch (name) {
    case 'isdefined':
      return first !== undefined;
    case 'isnull':
      return first === null;
    case 'isnumber':
      return typeof first === 'number';
    case 'isstring':
      return typeof first === 'string';
    case 'isbool':
      return typeof first === 'boolean';
    case 'isobject':
      return isJsonObject(first);
    case 'isarray':
      return Array.isArray(first);
    case 'isprimitive':
      return isPrimitive(first);
    default:
      break;
  }
  if (typeof first !== 'string' || typeof second !== 'string') return undefined;
  if (name === 'startswith') return first.startsWith(second);
  return name === 'endswith' ? first.endsWith(second) : first.includes(second);
}

/** `decisive` decides a chain alone: false for AND, true for OR. */
function chain(
  document: JsonObject,
  operands: readonly Expression[],
  decisive: boolean,
): boolean | undefined {
  let isUndefined = false;
  for (const operand of operands) {
    const value = evaluate(document, operand);
    if (value === decisive) return decisive;
    if (typeof value !== 'boolean') isUndefined = true;
  }
  return isUndefined ? undefined : !decisive;
}

/** The value of an expression for one document. */
export function evaluate(document: JsonObject, expression: Expression): Value {
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'path':
      return valueAt(document, expression.path);
    case 'and':
      return chain(document, expression.operands, false);
    case 'or':
      return chain(document, expression.operands, true);
    case 'not': {
      const value = evaluate(document, expression.operand);
      return typeof value === 'boolean' ? !value : undefined;
    }
    case 'compare':
      return compare(
        expression.comparison,
        evaluate(document, expression.left),
        evaluate(document, expression.right),
      );
    case 'in': {
      const value = evaluate(document, expression.operand);
      return value === undefined
        ? undefined
        : expression.choices.some((each) => isDeepStrictEqual(each, value));
    }
    case 'call': {
      const [first, second] = expression.operands.map((operand) => evaluate(document, operand));
      return call(expression.name, first, second);
    }
  }
}
