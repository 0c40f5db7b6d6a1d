/** A real database for tests: one server for each test file at most, one database of its own for each call. */
import { randomUUID } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Database, openDatabase } from '../database/connect.ts';
import { ensureIndexes } from '../database/indexes.ts';
import { type EmbeddedDatabase, startEmbeddedDatabase } from '../embedded-database/start.ts';

// Starting a server takes a second, so the tests of a file, which is a process, share one. It ends with the process.
let server: Promise<EmbeddedDatabase> | undefined;

async function startServer(): Promise<EmbeddedDatabase> {
  const { MONGODB_URI: uri, PATH: searchPath } = process.env;
  const folder = await mkdtemp(join(tmpdir(), 'iotdh-test-database-'));
  return startEmbeddedDatabase({ folder, uri, searchPath, temporary: true, detached: true });
}

/** A connection string of the server that the tests of this file share, for processes that a test starts. */
export async function testDatabaseUri(): Promise<string> {
  server ??= startServer();
  return (await server).uri;
}

export type TestDatabase = Database & { uri: string; name: string };

/** An empty database with all its indexes; dropped after the test. On another server when its URI is given. */
export async function testDatabase(t: TestContext, given?: string): Promise<TestDatabase> {
  const uri = given ?? (await testDatabaseUri());
  const name = `test-${randomUUID()}`;
  const database = openDatabase({ uri, name, appName: 'test' });
  t.after(async () => {
    try {
      await database.db.dropDatabase();
    } finally {
      await database.close();
    }
  });
  await ensureIndexes(database.db);
  return { ...database, uri, name };
}
