/** The connection to MongoDB that a service holds for its whole life. */
import { type Db, MongoClient } from 'mongodb';
import { type Collections, collectionsOf } from './collections.ts';
import { createTransact, type Transact } from './transaction.ts';

export type DatabaseOptions = {
  /** A connection string of MongoDB; the deployment must be a replica set, because transactions need one. */
  uri: string;
  /** Name of the database. */
  name: string;
  /** What the connection calls itself in the server's log. */
  appName: string;
  /** How long an operation looks for a reachable server before it fails. Default 5,000 ms. */
  serverSelectionTimeoutMs?: number;
};

export type Database = {
  client: MongoClient;
  db: Db;
  collections: Collections;
  /** Transactions, which take turns with all others of this connection. */
  transact: Transact;
  /** The server's own time, which all services agree on. Throws when it does not answer. */
  now(): Promise<Date>;
  /** Throws when the server does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
};

/**
 * Opens the database. Connects on first use, so that a service can start before its database does. 64-bit integers are
 * read as `Long`, as the types of the collections say. Throws when the URI is not one.
 */
export function openDatabase(options: DatabaseOptions): Database {
  const { uri, name, appName, serverSelectionTimeoutMs = 5_000 } = options;
  const client = new MongoClient(uri, {
    appName,
    serverSelectionTimeoutMS: serverSelectionTimeoutMs,
    // A server that hangs must not hang us: what has not come by then is tried again over another connection.
    connectTimeoutMS: 10_000,
    socketTimeoutMS: 60_000,
    // An update is told to a device only once it survives the loss of a server.
    writeConcern: { w: 'majority' },
    readConcern: { level: 'majority' },
    promoteLongs: false,
    ignoreUndefined: true,
  });
  const db = client.db(name);
  return {
    client,
    db,
    collections: collectionsOf(db),
    transact: createTransact(client),
    async now() {
      const { localTime } = await db.command({ hello: 1 });
      return localTime as Date;
    },
    async ping() {
      await db.command({ ping: 1 });
    },
    close: () => client.close(),
  };
}
