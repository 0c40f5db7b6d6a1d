/**
 * Reads a query of the IoT Hub query language ("IoT Hub query language for device and module twins, jobs, and message
 * routing"): SELECT … FROM devices, WHERE, GROUP BY. A recursive-descent parser of bounded depth.
 */
import { HubError } from './error.ts';
import { readOr } from './query-expressions.ts';
import { createReader, type Reader, readPath } from './query-reader.ts';
import { aggregates, type Path, type Projection, type Query } from './query-syntax.ts';
import { queryError } from './query-tokens.ts';

function readAlias(reader: Reader, fallback: string): string {
  if (!reader.accept('AS')) return fallback;
  const { kind, text, position } = reader.take();
  if (kind === 'name' || kind === 'string') return text;
  throw queryError(position, `a name must follow AS, not ${text}`);
}

function readProjection(reader: Reader, column: number): Projection {
  const { kind, text } = reader.peek();
  const aggregate = aggregates.find((name) => kind === 'name' && name === text.toLowerCase());
  if (aggregate === undefined || reader.peek(1).text !== '(') {
    const path = readPath(reader);
    return { kind: 'path', path, name: readAlias(reader, String(path.at(-1))) };
  }
  const { position } = reader.take();
  reader.expect('(');
  if (reader.accept('*') && aggregate !== 'count')
    throw queryError(position, `${text} takes a property, not *`);
  const path = reader.peek().text === ')' ? undefined : readPath(reader);
  reader.expect(')');
  if (path === undefined && aggregate !== 'count') throw queryError(position, `${text} needs a property`);
  return {
    kind: 'aggregate',
    aggregate,
    path,
    name: readAlias(reader, `$${column}`),
  };
}

function readFrom(reader: Reader): void {
  reader.expect('FROM');
  const source = readPath(reader);
  const name = source.join('.').toLowerCase();
  if (name === 'devices') return;
  if (['jobs', 'modules'].includes(name)) {
    const message = `Queries FROM devices.${name} are not implemented by this hub. Query FROM devices`;
    throw new HubError('NotImplemented', message);
  }
  throw queryError(
    reader.peek().position,
    `there is no ${source.join('.').slice(0, 60)} to query. Query FROM devices`,
  );
}

function checkGrouping({ projections, groupBy }: Query, position: number): void {
  const isAggregated = groupBy.length > 0 || projections?.some(({ kind }) => kind === 'aggregate') === true;
  if (!isAggregated) return;
  if (projections === undefined)
    throw queryError(position, 'SELECT * cannot be grouped. Name the properties');
  const grouped = new Set(groupBy.map((path) => JSON.stringify(path)));
  const stray = projections.find((each) => each.kind === 'path' && !grouped.has(JSON.stringify(each.path)));
  if (stray !== undefined)
    throw queryError(position, `${stray.name} must stand in GROUP BY, or in an aggregate`);
}

function readTop(reader: Reader): number | undefined {
  if (reader.peek(1).kind !== 'number' || !reader.accept('TOP')) return undefined;
  const { text, position } = reader.take();
  if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Number(text);
  throw queryError(position, 'TOP takes a whole number from 1');
}

/** Throws HubError `ArgumentInvalid` (with the position) or `NotImplemented`. */
export function parseQuery(text: string): Query {
  const reader = createReader(text);
  reader.expect('SELECT');
  const top = readTop(reader);
  let projections: Projection[] | undefined;
  if (!reader.accept('*')) {
    projections = [];
    do projections.push(readProjection(reader, projections.length + 1));
    while (reader.accept(','));
  }
  readFrom(reader);
  const where = reader.accept('WHERE') ? readOr(reader) : undefined;
  const groupBy: Path[] = [];
  if (reader.accept('GROUP')) {
    reader.expect('BY');
    do groupBy.push(readPath(reader));
    while (reader.accept(','));
  }
  const rest = reader.peek();
  if (rest.kind !== 'end') throw queryError(rest.position, `${rest.text.slice(0, 60)} does not belong there`);
  const query = { projections, top, where, groupBy };
  checkGrouping(query, rest.position);
  return query;
}
