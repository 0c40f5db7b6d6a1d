/**
 * What goes to the writer in one piece: many operations, committed together. Bodies are packed into one buffer that is
 * handed over instead of cloned; a clone of each would copy the whole buffer that a body is a slice of.
 */
import type { StatementName } from './statements.ts';

export type Parameter = string | number;

/** One statement with its parameters; a body is its last parameter. */
export type Operation = { statement: StatementName; parameters: Parameter[]; body?: Buffer };

/** What must be committed together or not at all. */
export type Unit = readonly Operation[];

export type Batch = {
  /** How many operations each unit has. */
  unitSizes: number[];
  statements: StatementName[];
  parameters: Parameter[][];
  /** Per operation: the length of its body in `bodies`, or -1 for none. */
  bodyLengths: number[];
  bodies: Uint8Array<ArrayBuffer>;
};

/** Per unit why it failed, or undefined when it is committed. Undefined as a whole: all are. */
export type Outcome = (string | undefined)[] | undefined;

/** Commits batches, one after the other. */
export type Writer = {
  /** Rejects when the writer itself is gone. */
  commit(batch: Batch): Promise<Outcome>;
  /** Commits what is under way and lets go of the database. */
  close(): Promise<void>;
};

export function packBatch(units: readonly Unit[]): Batch {
  let bodyBytes = 0;
  for (const unit of units) for (const operation of unit) bodyBytes += operation.body?.length ?? 0;
  const batch: Batch = {
    unitSizes: [],
    statements: [],
    parameters: [],
    bodyLengths: [],
    bodies: Buffer.allocUnsafeSlow(bodyBytes),
  };
  let at = 0;
  for (const unit of units) {
    batch.unitSizes.push(unit.length);
    for (const { statement, parameters, body } of unit) {
      batch.statements.push(statement);
      batch.parameters.push(parameters);
      batch.bodyLengths.push(body?.length ?? -1);
      if (body !== undefined) {
        batch.bodies.set(body, at);
        at += body.length;
      }
    }
  }
  return batch;
}
