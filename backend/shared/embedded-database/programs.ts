/** The database programs that can stand in for a MongoDB deployment on one machine, and how each is started. */
import { accessSync, constants } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { MongoClient, MongoServerError } from 'mongodb';
import { onFreePort } from './free-port.ts';
import { type KeptProcess, startKept } from './kept-process.ts';
import { pythonEnvironment } from './python-environment.ts';

export type ProgramOptions = {
  /** Where the data are. */
  folder: string;
  /** 0: the system chooses. */
  port: number;
  /** Where programs that have to be fetched are kept. */
  toolsFolder: string;
  readyMs: number;
  removeFolder?: string;
  detached: boolean;
  onPrepare: () => void;
};

export type Started = { process: KeptProcess; uri: string; port: number };

/** The first program of that name on the search path. */
export function onPath(name: string, searchPath: string): string | undefined {
  return searchPath
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** The path of a Python that has SecantusDB, fetched from the Python registry where it is missing. */
export function secantusPython(options: {
  toolsFolder: string;
  onPrepare: () => void;
  signal?: AbortSignal | undefined;
}): Promise<string> {
  return pythonEnvironment({
    folder: options.toolsFolder,
    name: 'secantusdb',
    requirements: join(import.meta.dirname, 'requirements.txt'),
    onMake: options.onPrepare,
    signal: options.signal,
  });
}

/**
 * How long a transaction lives that its process has left behind, s. Until then it keeps every other one from the counter of
 * events, and that is a minute when nobody says otherwise.
 */
const abandonedAfterSeconds = 10;

/** SecantusDB's own command, with a limit that its command line has no option for; this one counts from the last statement. */
const secantusCommand = [
  'import functools, sys, secantus.cli as cli',
  `cli.SecantusDBServer = functools.partial(cli.SecantusDBServer, transaction_lifetime_seconds=${abandonedAfterSeconds / 2})`,
  'sys.exit(cli.main())',
].join('; ');

/** SecantusDB: the wire protocol of MongoDB over WiredTiger, one node that says it is a replica set. */
export async function startSecantus(options: ProgramOptions): Promise<Started> {
  const { folder } = options;
  const python = await secantusPython(options);
  await mkdir(folder, { recursive: true });
  const { process, answer } = await startKept({
    ...options,
    program: python,
    args: [
      ...['-c', secantusCommand],
      ...['--host', '127.0.0.1', '--port', String(options.port)],
      // An answered write survives a power cut, as with MongoDB's write concern "majority".
      ...['--storage-path', folder, '--sync-on-commit'],
      // What a laptop can spare; the default is 1 GiB.
      ...['--cache-size', '256M'],
    ],
    ready: /listening on 127\.0\.0\.1:(\d+)/,
  });
  const port = Number(answer);
  return { process, port, uri: `mongodb://127.0.0.1:${port}/?directConnection=true` };
}

/** Codes of MongoDB: the set has been initiated before. */
const alreadyInitialized = 23;

/** MongoDB's own server, as a replica set of one. */
export function startMongod(program: string, options: ProgramOptions): Promise<Started> {
  const start = (port: number) => startMongodAt(port, program, options);
  return options.port === 0 ? onFreePort(start) : start(options.port);
}

async function startMongodAt(port: number, program: string, options: ProgramOptions): Promise<Started> {
  const { folder } = options;
  await mkdir(folder, { recursive: true });
  const { process } = await startKept({
    ...options,
    program,
    args: [
      ...['--bind_ip', '127.0.0.1', '--port', String(port), '--dbpath', folder, '--replSet', 'embedded'],
      ...['--setParameter', `transactionLifetimeLimitSeconds=${abandonedAfterSeconds}`],
    ],
    ready: /Waiting for connections/i,
  });
  const uri = `mongodb://127.0.0.1:${port}/?directConnection=true`;
  const client = new MongoClient(uri);
  try {
    const members = [{ _id: 0, host: `127.0.0.1:${port}` }];
    await client
      .db('admin')
      .command({ replSetInitiate: { _id: 'embedded', members } })
      .catch((error: unknown) => {
        if (!(error instanceof MongoServerError) || error.code !== alreadyInitialized) throw error;
      });
  } catch (error) {
    await process.stop();
    throw error;
  } finally {
    await client.close();
  }
  return { process, port, uri };
}
