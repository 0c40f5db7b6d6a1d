/** Commits one batch in a database, in whichever thread that is. */
import type { DatabaseSync } from 'node:sqlite';
import type { Batch, Outcome } from './batch.ts';
import { prepareWrites } from './statements.ts';

/** Where a unit begins in a batch's operations and bodies. */
type Extent = { first: number; count: number; bodyAt: number };

function extentsOf(batch: Batch): Extent[] {
  let first = 0;
  let bodyAt = 0;
  return batch.unitSizes.map((count) => {
    const extent = { first, count, bodyAt };
    for (let at = first; at < first + count; at += 1) bodyAt += Math.max(0, batch.bodyLengths[at] ?? 0);
    first += count;
    return extent;
  });
}

/**
 * Returns the function that commits a batch as one transaction. When that fails, each unit is tried by itself, so that one
 * bad unit, or one too large for what is left of the disk, does not take others with it.
 */
export function createCommitter(database: DatabaseSync, partitionCount: number): (batch: Batch) => Outcome {
  const writes = prepareWrites(database, partitionCount);

  function run(batch: Batch, { first, count, bodyAt }: Extent): void {
    let at = bodyAt;
    for (let index = first; index < first + count; index += 1) {
      const name = batch.statements[index]!;
      const statement = writes.get(name);
      if (statement === undefined) throw new Error(`unknown statement ${name}`);
      const length = batch.bodyLengths[index]!;
      const parameters = batch.parameters[index]!;
      if (length < 0) {
        statement.run(...parameters);
      } else {
        statement.run(...parameters, batch.bodies.subarray(at, at + length));
        at += length;
      }
    }
  }

  /** Undefined when all of `extents` are committed, otherwise why none of them is. */
  function transact(batch: Batch, extents: readonly Extent[]): string | undefined {
    try {
      database.exec('BEGIN IMMEDIATE');
      for (const extent of extents) run(batch, extent);
      database.exec('COMMIT');
      return undefined;
    } catch (error) {
      // After some errors (disk full, I/O) SQLite has rolled back by itself.
      if (database.isTransaction) database.exec('ROLLBACK');
      return error instanceof Error ? error.message : String(error);
    }
  }

  return (batch) => {
    const extents = extentsOf(batch);
    const failure = transact(batch, extents);
    if (failure === undefined) return undefined;
    return extents.length === 1 ? [failure] : extents.map((extent) => transact(batch, [extent]));
  };
}
