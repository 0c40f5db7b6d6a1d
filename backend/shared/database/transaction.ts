/**
 * Transactions: all of it or nothing, tried again when the server says that trying again helps. Those of one process go one after
 * another, because most of them number events by the same counter: side by side each would undo what the others had done so far.
 */
import { type ClientSession, type MongoClient, MongoError } from 'mongodb';
import { createTurns } from './turns.ts';

export type TransactionOptions = {
  /** No further attempt begins after this long. Default 20,000 ms. */
  timeoutMs?: number;
  /** Called before each attempt after the first. */
  onRetry?: () => void;
};

/** Runs `work` in a transaction and commits it; see `createTransact`. */
export type Transact = <T>(
  work: (session: ClientSession) => Promise<T>,
  options?: TransactionOptions,
) => Promise<T>;

const firstPauseMs = 5;
const longestPauseMs = 250;

function hasLabel(error: unknown, label: string): boolean {
  return error instanceof MongoError && error.hasErrorLabel(label);
}

/** Waits longer each time, by a random share, so that those who collided do not collide again. */
function pause(attempt: number): Promise<void> {
  const ms = Math.min(longestPauseMs, firstPauseMs * 2 ** attempt) * (0.5 + Math.random() / 2);
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function commit(session: ClientSession, deadline: number): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await session.commitTransaction();
    } catch (error) {
      // Committing again is safe: the server knows whether it has already done so.
      if (!hasLabel(error, 'UnknownTransactionCommitResult') || Date.now() >= deadline) throw error;
      await pause(attempt);
    }
  }
}

async function attempt<T>(
  client: MongoClient,
  work: (session: ClientSession) => Promise<T>,
  { timeoutMs = 20_000, onRetry = () => {} }: TransactionOptions,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  return client.withSession(async (session) => {
    for (let tries = 0; ; tries += 1) {
      session.startTransaction({ readConcern: { level: 'snapshot' }, writeConcern: { w: 'majority' } });
      try {
        const result = await work(session);
        await commit(session, deadline);
        return result;
      } catch (error) {
        if (session.inTransaction()) await session.abortTransaction().catch(() => {});
        if (!hasLabel(error, 'TransientTransactionError') || Date.now() >= deadline) throw error;
        onRetry();
        await pause(tries);
      }
    }
  });
}

/** How long a transaction waits for those before it: one that hangs, or a database that is away, must not hold up all others. */
const defaultPatienceMs = 5_000;

/**
 * Transactions over this client. `work` must pass the session to every operation, must await them one after another, may run several
 * times, and must not catch errors of the database: one error ends the transaction. Throws what `work` throws, and the
 * server's error when no attempt succeeded in time.
 */
export function createTransact(client: MongoClient, patienceMs = defaultPatienceMs): Transact {
  const inTurn = createTurns(patienceMs);
  return (work, options = {}) => inTurn(() => attempt(client, work, options));
}
