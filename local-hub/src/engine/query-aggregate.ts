/** Groups devices and computes the aggregates of a query (`GROUP BY`, `COUNT()`, `SUM(…)` …). */
import { valueAt } from './query-evaluate.ts';
import type { AggregateName, Query } from './query-syntax.ts';
import type { JsonObject, JsonValue } from './twin.ts';

/** What is known of one aggregate after some devices. Only numbers are summed and compared, as in IoT Hub. */
type Tally = { count: number; sum: number; min: number; max: number };

type Group = { first: JsonObject; tallies: Tally[] };

function resultOf(aggregate: AggregateName, tally: Tally): JsonValue | undefined {
  if (aggregate === 'count') return tally.count;
  if (tally.count === 0) return undefined;
  if (aggregate === 'avg') return tally.sum / tally.count;
  return tally[aggregate];
}

function add(tally: Tally, value: JsonValue | undefined, counted: boolean): void {
  if (counted) tally.count += 1;
  else if (typeof value === 'number') {
    tally.count += 1;
    tally.sum += value;
    tally.min = Math.min(tally.min, value);
    tally.max = Math.max(tally.max, value);
  }
}

/** One row per group, in the order in which the groups appear; one row in all when nothing is grouped. */
export function aggregate(query: Query, documents: Iterable<JsonObject>): JsonObject[] {
  const projections = query.projections ?? [];
  const groups = new Map<string, Group>();
  const newGroup = (first: JsonObject): Group => ({
    first,
    tallies: projections.map(() => ({
      count: 0,
      sum: 0,
      min: Number.POSITIVE_INFINITY,
      max: Number.NEGATIVE_INFINITY,
    })),
  });
  if (query.groupBy.length === 0) groups.set('[]', newGroup({}));
  for (const document of documents) {
    const key = JSON.stringify(query.groupBy.map((path) => valueAt(document, path) ?? { undefined: true }));
    const group = groups.get(key) ?? newGroup(document);
    groups.set(key, group);
    for (const [column, projection] of projections.entries()) {
      const tally = group.tallies[column];
      if (projection.kind !== 'aggregate' || tally === undefined) continue;
      const value = projection.path && valueAt(document, projection.path);
      const counted =
        projection.aggregate === 'count' && (projection.path === undefined || value !== undefined);
      add(tally, value, counted);
    }
  }
  return [...groups.values()].map(({ first, tallies }) => {
    const entries = projections.map((projection, column): [string, JsonValue | undefined] => {
      const tally = tallies[column];
      if (projection.kind === 'path') return [projection.name, valueAt(first, projection.path)];
      return [projection.name, tally && resultOf(projection.aggregate, tally)];
    });
    return Object.fromEntries(
      entries.filter((entry): entry is [string, JsonValue] => entry[1] !== undefined),
    );
  });
}
