/**
 * One server under measurement in a process of its own, on a Unix socket: the agent's local API with its durable machine and
 * store, or the same service answered by Connect alone, which keeps nothing or, to tell what a disk costs, commits one row of
 * SQLite for each command.
 */
import { createServer } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { AgentService, State } from '@iotdh/proto/agent/v1';
import { systemClock } from '../../agent/src/api/clock.ts';
import { machinePort } from '../../agent/src/api/machine-port.ts';
import { createApiServer } from '../../agent/src/api/server.ts';
import { openLogStore } from '../../agent/src/api/store/open-log-store.ts';
import { openStore } from '../../agent/src/api/store/open-store.ts';
import { certifiedSigner } from '../../agent/src/enrolment/consent-signer.ts';
import { openJournal } from '../../agent/src/journal/open-journal.ts';
import { createMachine } from '../../agent/src/machine/machine.ts';
import { createRunner } from '../../agent/src/machine/runner.ts';
import { sleep } from '../../agent/src/machine/sleep.ts';
import { scriptPorts } from '../../agent/src/machine/testing/ports.ts';
import { answerRequests } from '../processes.ts';

export type SdkServer = 'agent' | 'bare' | 'committing';
export type SdkServerRequest = { server: SdkServer; directory: string };

answerRequests(async ({ server, directory }: SdkServerRequest) => {
  const socketPath = join(directory, 'agent.sock');
  if (server === 'agent') await startAgent(directory, socketPath);
  else await startBare(socketPath, server === 'bare' ? () => {} : committingIn(directory));
  return socketPath;
});

async function startAgent(directory: string, socketPath: string): Promise<void> {
  const { journal, database } = openJournal({
    directory: join(directory, 'journal'),
    after: systemClock.after,
  });
  const machine = createMachine({ journal, now: Date.now });
  const runner = createRunner({
    ...{ journal, machine, ports: scriptPorts().ports },
    survey: async () => ({ patch: null, base: null }),
    sleep,
    onFinding: (finding) => console.error(finding),
  });
  const logPath = join(directory, 'host.db');
  const store = openStore({ journal, database }, logPath);
  const { logStore } = openLogStore({ path: logPath });
  const api = createApiServer({
    machine: machinePort({ machine, runner, journal }),
    ...{ store, logStore, clock: systemClock },
    view: {
      describe: () => ({
        name: '',
        title: '',
        summary: '',
        changes: [],
        expectedDurationMs: null,
        restartsMachine: false,
      }),
      progress: () => ({ receivedBytes: 0, totalBytes: 0 }),
      onProgress: () => () => undefined,
    },
    signer: certifiedSigner(() => null),
    redact: (entry) => entry,
    socket: { path: socketPath, mode: 0o600 },
    onFailure: (error) => console.error(error),
  });
  runner.start();
  await api.start();
}

/** One row of a few hundred bytes, durable when it returns. */
function committingIn(directory: string): () => void {
  const database = new DatabaseSync(join(directory, 'echo.db'));
  database.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    CREATE TABLE command (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT`);
  const insert = database.prepare('INSERT INTO command (body) VALUES (?)');
  const body = new Uint8Array(300);
  return () => void insert.run(body);
}

async function startBare(socketPath: string, keep: () => void): Promise<void> {
  const snapshot = {
    journalId: '00000000-0000-4000-8000-000000000001',
    sequence: 1n,
    state: State.BUSY,
    stateTime: { seconds: 1n, nanos: 0 },
  };
  const handler = connectNodeAdapter({
    routes: (router) =>
      router.service(AgentService, {
        getState: () => ({ snapshot }),
        setBusy({ reason }) {
          keep();
          return { snapshot, hold: { ...(reason && { reason }), startTime: snapshot.stateTime } };
        },
        setReady() {
          keep();
          return { snapshot };
        },
      }),
  });
  // A machine that stalls for five seconds must not find its connection closed under the next call.
  const server = createServer({ keepAliveTimeout: 0 }, handler);
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
}
