/**
 * A database on this machine for laptops and tests: the one that is named, else a `mongod` on the search path, else SecantusDB in
 * a private environment. Always a real server that speaks MongoDB's protocol.
 */
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { onPath, secantusPython, startMongod, startSecantus } from './programs.ts';

export type EmbeddedDatabaseOptions = {
  /** Where the data are kept; made if missing. */
  folder: string;
  /** A deployment to use instead of starting one. Empty counts as absent. */
  uri?: string | undefined;
  /** 0, the default: the system chooses. */
  port?: number;
  /** Folders in which `mongod` is looked for, as in PATH. Default: none. */
  searchPath?: string | undefined;
  /** Where a program that has to be fetched is kept. Default `.venv` at the root of the repository. */
  toolsFolder?: string;
  /** How long it may take to be ready once its program is there. Default 60 s. */
  readyMs?: number;
  /** Whether the folder is removed when the database has ended. Default false. */
  temporary?: boolean;
  /** Whether it ends with this process without being waited for. Default false. */
  detached?: boolean;
  /** Told when its program has to be fetched first, which takes a while. */
  onPrepare?: () => void;
};

export type EmbeddedDatabase = {
  kind: 'given' | 'mongod' | 'secantusdb';
  uri: string;
  /** Undefined for one that was given. */
  port: number | undefined;
  /** Ends it and waits for it; one that was given stays. Idempotent. */
  stop(): Promise<void>;
};

const repositoryRoot = join(import.meta.dirname, '..', '..', '..');

export type PrepareOptions = Pick<
  EmbeddedDatabaseOptions,
  'uri' | 'searchPath' | 'toolsFolder' | 'onPrepare'
> & {
  /** Ends it half-way. */
  signal?: AbortSignal | undefined;
};

/** Fetches what `startEmbeddedDatabase` with the same options would fetch first, so that a start takes its usual time. */
export async function prepareEmbeddedDatabase(options: PrepareOptions): Promise<void> {
  const { uri = '', searchPath = '', onPrepare = () => {}, signal } = options;
  if (uri !== '' || onPath('mongod', searchPath) !== undefined) return;
  const toolsFolder = options.toolsFolder ?? join(repositoryRoot, '.venv');
  await secantusPython({ toolsFolder, onPrepare, signal });
}

/** Resolves once the server takes writes. */
async function writable(uri: string, timeoutMs: number): Promise<void> {
  const client = new MongoClient(uri, { serverSelectionTimeoutMS: timeoutMs });
  const deadline = Date.now() + timeoutMs;
  try {
    for (;;) {
      const hello = await client.db('admin').command({ hello: 1 });
      if (hello.isWritablePrimary === true) return;
      if (Date.now() > deadline)
        throw new Error('the database has not become the primary of its replica set');
      // A new replica set elects its only member within a second or so.
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  } finally {
    await client.close();
  }
}

/** Starts the database and waits until it takes writes. Throws when it cannot be started. */
export async function startEmbeddedDatabase(options: EmbeddedDatabaseOptions): Promise<EmbeddedDatabase> {
  const { folder, uri, port = 0, searchPath = '', readyMs = 60_000 } = options;
  if (uri !== undefined && uri !== '') {
    return { kind: 'given', uri, port: undefined, async stop() {} };
  }
  const programOptions = {
    folder,
    port,
    readyMs,
    toolsFolder: options.toolsFolder ?? join(repositoryRoot, '.venv'),
    detached: options.detached ?? false,
    onPrepare: options.onPrepare ?? (() => {}),
    ...(options.temporary === true && { removeFolder: folder }),
  };
  const mongod = onPath('mongod', searchPath);
  const started = await (mongod === undefined
    ? startSecantus(programOptions)
    : startMongod(mongod, programOptions));
  try {
    await writable(started.uri, readyMs);
  } catch (error) {
    await started.process.stop();
    throw error;
  }
  return {
    kind: mongod === undefined ? 'secantusdb' : 'mongod',
    uri: started.uri,
    port: started.port,
    stop: () => started.process.stop(),
  };
}
