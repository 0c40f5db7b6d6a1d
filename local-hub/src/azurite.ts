/**
 * Azurite, Microsoft's blob storage emulator, as a child process: file uploads of devices and checkpoints of Event Hubs
 * clients go there. It serves https with the hub's certificate, because the device SDK knows nothing else.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

export type AzuriteOptions = {
  /** 0 lets the system choose. */
  port: number;
  /** Where it keeps its blobs. */
  directory: string;
  certPath: string;
  keyPath: string;
  /** Folders from which the `azurite` package is looked up, in turn. */
  searchFrom: readonly string[];
  /** How long it may take to be ready, ms. Default 30 s. */
  readyMs?: number;
};

export type Azurite = {
  connectionString: string;
  port: number;
  pid: number;
  /** Resolves when the process is gone. Idempotent. */
  stop(): Promise<void>;
};

/** Azurite's well-known account, printed in Microsoft's documentation. */
const account = 'devstoreaccount1';
const accountKey = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

/**
 * Runs in Azurite's process before Azurite. It ends with the hub, also when the hub is killed: then the channel between them closes. And it
 * does not load the client of the telemetry that is switched off, which is 2,000 files and more than half of its start.
 */
const preamble = `
import { createRequire } from 'node:module';
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
const require = createRequire(process.argv[1]);
try {
  const id = require.resolve('applicationinsights');
  require.cache[id] = { id, filename: id, loaded: true, exports: {}, children: [], paths: [] };
} catch {}`;

/**
 * V8 counts the Buffers that pass through as its heap: left to itself it collects all of a small heap for every few MB that are
 * read, which was more than half of Azurite's work.
 */
const heapArguments = ['--max-semi-space-size=2', '--heap-growing-percent=200'];

const stopMs = 3_000;
const maxOutputLength = 4_000;

/** Finds the program in the packages that are reachable from one of the folders. */
export function findAzurite(searchFrom: readonly string[]): string | undefined {
  for (const folder of searchFrom) {
    try {
      const manifest = createRequire(pathToFileURL(join(folder, 'package.json'))).resolve(
        'azurite/package.json',
      );
      return join(dirname(manifest), 'dist', 'src', 'blob', 'main.js');
    } catch {
      // Not reachable from here; perhaps from the next.
    }
  }
  return undefined;
}

function argumentsOf({ port, directory, certPath, keyPath }: AzuriteOptions): string[] {
  return [
    ...['--blobHost', '127.0.0.1', '--blobPort', String(port), '--location', directory],
    ...['--cert', certPath, '--key', keyPath],
    // Strict Azurite refuses a header of the storage client inside azure-iot-device, and API versions newer than itself.
    ...['--loose', '--skipApiVersionCheck', '--disableTelemetry', '--silent'],
  ];
}

/** Resolves to the port once Azurite says that it listens. Rejects with what it printed when it ends before. */
function listening(child: ChildProcess, readyMs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let output = '';
    const fail = (what: string) => {
      clearTimeout(timer);
      reject(new Error(`Azurite ${what}: ${output.trim().split('\n').at(-1) || 'it printed nothing'}`));
    };
    const timer = setTimeout(() => fail(`was not ready after ${readyMs} ms`), readyMs);
    const read = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-maxOutputLength);
      const port = /successfully listen\w* (?:on|at) \S+:(\d+)/.exec(output)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      resolve(Number(port));
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.once('error', () => fail('could not be started'));
    child.once('exit', (code) => fail(`ended with code ${code}`));
  });
}

/** Starts Azurite and waits until it serves. Throws when it is not installed or cannot start. */
export async function startAzurite(options: AzuriteOptions): Promise<Azurite> {
  const program = findAzurite(options.searchFrom);
  if (program === undefined) {
    throw new Error(
      'Azurite is not installed: run "npm install azurite", or give the connection string of a storage account',
    );
  }
  const child = fork(program, argumentsOf(options), {
    execArgv: ['--import', `data:text/javascript,${encodeURIComponent(preamble)}`, ...heapArguments],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));

  async function stop(): Promise<void> {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), stopMs);
    await gone;
    clearTimeout(timer);
  }

  try {
    const port = await listening(child, options.readyMs ?? 30_000);
    const endpoint = `https://localhost:${port}/${account}`;
    return {
      connectionString: `DefaultEndpointsProtocol=https;AccountName=${account};AccountKey=${accountKey};BlobEndpoint=${endpoint};`,
      port,
      pid: child.pid ?? 0,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
