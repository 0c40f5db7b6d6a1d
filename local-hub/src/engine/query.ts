/**
 * Queries over device twins: the subset of the IoT Hub query language that `POST /devices/query` is used with. Results are
 * in the order of the device ids, so that pages neither repeat nor miss a device while others come and go.
 */
import { createHash } from 'node:crypto';
import { HubError } from './error.ts';
import { aggregate } from './query-aggregate.ts';
import { evaluate, valueAt } from './query-evaluate.ts';
import { parseQuery } from './query-parse.ts';
import type { Query } from './query-syntax.ts';
import type { Registry } from './registry.ts';
import type { JsonObject, JsonValue } from './twin.ts';
import type { Twins } from './twins.ts';

export type QueryPage = {
  /** `twin` for `SELECT *`, `raw` for everything else (header `x-ms-item-type`). */
  type: 'twin' | 'raw';
  items: JsonObject[];
  /** For the next page (header `x-ms-continuation`); undefined at the end. */
  continuation: string | undefined;
};

export type QueryRequest = {
  query: string;
  /** Size of a page: 1 to 1000, default 100. */
  maxItems?: number | undefined;
  /** Of the page before. */
  continuation?: string | undefined;
};

export type Queries = {
  /** Throws HubError `ArgumentInvalid` (with the position) or `NotImplemented`. */
  run(request: QueryRequest): QueryPage;
};

export type QueriesOptions = {
  registry: Pick<Registry, 'identities'>;
  twins: Pick<Twins, 'peek'>;
};

/** Where the next page begins: after a device (of devices), or at a row (of groups). `taken` counts towards TOP. */
type Position = { after: string; taken: number };

const defaultPageSize = 100;
const maxPageSize = 1000;
const maxTokenLength = 1024;

function digestOf(query: string): string {
  return createHash('sha256').update(query).digest('base64url').slice(0, 16);
}

function writeToken(query: string, { after, taken }: Position): string {
  return Buffer.from(JSON.stringify([digestOf(query), after, taken])).toString('base64url');
}

function readToken(query: string, token: string | undefined): Position {
  if (token === undefined || token === '') return { after: '', taken: 0 };
  try {
    if (token.length > maxTokenLength) throw new RangeError('too long');
    const [digest, after, taken] = JSON.parse(Buffer.from(token, 'base64url').toString()) as unknown[];
    if (
      digest === digestOf(query) &&
      typeof after === 'string' &&
      Number.isSafeInteger(taken) &&
      Number(taken) >= 0
    ) {
      return { after, taken: Number(taken) };
    }
  } catch {
    // Anything may come from outside; it is answered below.
  }
  throw new HubError(
    'ArgumentInvalid',
    'The continuation token is not of this query. Run the query from its beginning',
  );
}

function checkPageSize(maxItems: number): number {
  if (Number.isInteger(maxItems) && maxItems >= 1) return Math.min(maxItems, maxPageSize);
  throw new HubError('ArgumentInvalid', `A page has 1 to ${maxPageSize} items, not ${maxItems}`);
}

function project(query: Query, document: JsonObject): JsonObject {
  if (query.projections === undefined) return document;
  const entries: [string, JsonValue][] = [];
  for (const { name, path } of query.projections) {
    const value = path && valueAt(document, path);
    if (value !== undefined) entries.push([name, value]);
  }
  return Object.fromEntries(entries);
}

/** Creates the query processor. It keeps nothing of its own. */
export function createQueries({ registry, twins }: QueriesOptions): Queries {
  /** The devices that a query asks for, from `after` on, by id. */
  function* matches({ where }: Query, after: string): Generator<JsonObject & { deviceId: string }> {
    const devices = [...registry.identities()].filter(({ deviceId }) => deviceId > after);
    devices.sort((one, other) => (one.deviceId < other.deviceId ? -1 : 1));
    for (const device of devices) {
      const document: JsonObject & { deviceId: string } = twins.peek(device);
      if (where === undefined || evaluate(document, where) === true) yield document;
    }
  }

  function groupPage(request: QueryRequest, query: Query, pageSize: number, position: Position): QueryPage {
    const rows = aggregate(query, matches(query, '')).slice(0, query.top);
    const { taken } = position;
    const end = taken + pageSize;
    const continuation = end < rows.length ? writeToken(request.query, { after: '', taken: end }) : undefined;
    return { type: 'raw', items: structuredClone(rows.slice(taken, end)), continuation };
  }

  return {
    run(request) {
      const query = parseQuery(request.query);
      const pageSize = checkPageSize(request.maxItems ?? defaultPageSize);
      const position = readToken(request.query, request.continuation);
      const isAggregated =
        query.groupBy.length > 0 || query.projections?.some(({ kind }) => kind === 'aggregate');
      if (isAggregated) return groupPage(request, query, pageSize, position);

      const type = query.projections === undefined ? 'twin' : 'raw';
      const items: JsonObject[] = [];
      let { after, taken } = position;
      for (const document of matches(query, after)) {
        if (query.top !== undefined && taken >= query.top) break;
        // One more than the page shows that there is a next one.
        if (items.length === pageSize)
          return { type, items, continuation: writeToken(request.query, { after, taken }) };
        items.push(structuredClone(project(query, document)));
        after = document.deviceId;
        taken += 1;
      }
      return { type, items, continuation: undefined };
    },
  };
}
