/** The real agent, built as it is published, in a process whose memory the kernel measures. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { environment, nodeArguments } from '../../agent/build.ts';
import { type AgentClient, type AgentState, createAgentClient } from '../../sdk-ts/src/index.ts';
import { unixSocketFetch } from '../../sdk-ts/src/node.ts';
import type { CloudAddress } from './cloud-process.ts';

/** In bytes, from /proc/PID/status (proc_pid_status(5)): resident now, and the most that ever was. */
export type Memory = { residentBytes: number; peakBytes: number };

export type AgentProcess = {
  readonly client: AgentClient;
  memory(): Memory;
  /** Resolves once the agent is in this state. Throws when it has ended. */
  reaches(state: AgentState): Promise<void>;
  stop(): Promise<void>;
};

/** Starts the built program in `folder`, with everything that it keeps there. Resolves once it answers. */
export async function startAgent(
  program: string,
  folder: string,
  { connectionString, caPath, trustRootFile }: CloudAddress,
): Promise<AgentProcess> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const socketPath = join(folder, 'agent.sock');
  const connectionStringFile = join(folder, 'connection-string');
  writeFileSync(connectionStringFile, connectionString, { mode: 0o600 });
  const config = {
    dataDir: join(folder, 'data'),
    credentials: { connectionStringFile },
    hub: { caFile: caPath, routes: ['mqtt'] },
    trust: { rootFile: trustRootFile },
    api: { socket: { path: socketPath } },
    roots: { app: { path: join(folder, 'app') } },
    bootIdFile: '/proc/sys/kernel/random/boot_id',
  };
  const configPath = join(folder, 'config.json');
  writeFileSync(configPath, JSON.stringify(config));
  const child = spawn(process.execPath, [...nodeArguments, program, '--config', configPath], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  child.stderr.pipe(createWriteStream(join(folder, 'log')));
  const ended = once(child, 'exit');
  const client = createAgentClient({ fetch: unixSocketFetch(socketPath) });
  await Promise.race([answers(client), ended.then(() => fail(folder))]);

  return {
    client,
    memory: () => memoryOf(child),
    async reaches(state) {
      const waiting = new AbortController();
      const reached = (async () => {
        const { position, state: now } = await client.getState();
        if (now === state) return;
        for await (const change of client.stateChanges({ after: position, signal: waiting.signal })) {
          if (change.to === state) return;
        }
      })();
      try {
        await Promise.race([reached, ended.then(() => fail(folder))]);
      } finally {
        waiting.abort();
      }
    },
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** The SDK tries again while nobody listens. */
async function answers(client: AgentClient): Promise<void> {
  await client.getState({ timeoutMs: 20_000 });
}

function fail(folder: string): never {
  const log = readFileSync(join(folder, 'log'), 'utf8').trim().split('\n').slice(-5).join('\n');
  throw new Error(`the agent ended by itself: ${log}`);
}

function memoryOf({ pid }: ChildProcess): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024;
  return { residentBytes: of('VmRSS'), peakBytes: of('VmHWM') };
}
