/** The SDK's commands against the agent, beside the same calls of bare Connect clients to a bare Connect server. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { AgentService } from '@iotdh/proto/agent/v1';
import { createAgentClient } from '../../sdk-ts/src/index.ts';
import { unixSocketFetch } from '../../sdk-ts/src/node.ts';
import type { Bench, RunOptions } from '../bench.ts';
import { startWorker } from '../processes.ts';
import { median, type Row } from '../results.ts';
import type { SdkServer } from './server-process.ts';

/**
 * - `read`: getState;
 * - `held`: busy and its release while another hold lasts, so that the machine stays in BUSY;
 * - `moving`: busy and its release, READY to BUSY and back to READY.
 */
const commands = ['read', 'held', 'moving'] as const;
type Command = (typeof commands)[number];
type Calls = Record<Command, () => Promise<unknown>> & { prepare(command: Command): Promise<unknown> };
/** In ms. */
type Latency = { p50: number; p99: number };
type Turn = Record<Command, Record<SdkServer, Latency>>;

function agentCalls(socketPath: string): Calls {
  const client = createAgentClient({ fetch: unixSocketFetch(socketPath) });
  const hold = async () => {
    const lease = await client.busy('An examination');
    await lease.release();
  };
  return {
    read: () => client.getState(),
    held: hold,
    moving: hold,
    // A new agent is held by nobody in particular until somebody says ready.
    prepare: async (command) => command === 'moving' && client.ready(),
  };
}

function bareCalls(socketPath: string): Calls {
  const client = createClient(
    AgentService,
    createConnectTransport({ baseUrl: 'http://agent', httpVersion: '1.1', nodeOptions: { socketPath } }),
  );
  const requestId = '00000000-0000-4000-8000-000000000003';
  const hold = async () => {
    await client.setBusy({ requestId, reason: { text: 'An examination' } });
    await client.setReady({ requestId });
  };
  return { read: () => client.getState({}), held: hold, moving: hold, prepare: async () => {} };
}

/** One call at a time, so that what is measured is how long a host application waits, and the servers call by call in turn. */
async function latencies(
  calls: Record<SdkServer, Calls>,
  command: Command,
  count: number,
): Promise<Record<SdkServer, Latency>> {
  const servers = Object.keys(calls) as SdkServer[];
  const times: Record<SdkServer, number[]> = { agent: [], bare: [], committing: [] };
  const warming = Math.ceil(count / 5);
  for (const server of servers) await calls[server].prepare(command);
  for (let done = -warming; done < count; done += 1) {
    for (const server of servers) {
      const started = performance.now();
      await calls[server][command]();
      if (done >= 0) times[server].push(performance.now() - started);
    }
  }
  const share = (server: SdkServer, part: number) =>
    times[server].toSorted((a, b) => a - b)[Math.floor(count * part)] ?? Number.NaN;
  const of = (server: SdkServer) => ({ p50: share(server, 0.5), p99: share(server, 0.99) });
  return { agent: of('agent'), bare: of('bare'), committing: of('committing') };
}

async function measure(count: number): Promise<Turn> {
  const directory = await mkdtemp(join(tmpdir(), 'iotdh-bench-sdk-'));
  const workers: ReturnType<typeof startWorker>[] = [];
  async function start(server: SdkServer): Promise<string> {
    const worker = startWorker(join(import.meta.dirname, 'server-process.ts'));
    workers.push(worker);
    const own = await mkdtemp(join(directory, server));
    return worker.ask<string>({ server, directory: own });
  }
  try {
    const calls = {
      bare: bareCalls(await start('bare')),
      committing: bareCalls(await start('committing')),
      agent: agentCalls(await start('agent')),
    };
    return {
      read: await latencies(calls, 'read', count),
      held: await latencies(calls, 'held', count),
      moving: await latencies(calls, 'moving', count),
    };
  } finally {
    for (const worker of workers) await worker.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

export async function benchSdk({ rounds, quick, progress }: RunOptions): Promise<Row[]> {
  const count = quick ? 50 : 1_000;
  const turns: Turn[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    progress(`SDK commands, round ${round} of ${rounds}`);
    turns.push(await measure(count));
  }
  const inMs = (figures: number[]): string => `${median(figures).toFixed(2)} ms`;
  function row(what: string, command: Command, share: keyof Latency, peer: SdkServer = 'bare'): Row {
    const of = (server: SdkServer) => turns.map((turn) => turn[command][server][share]);
    return {
      what: `${what}, ${share}`,
      ours: inMs(of('agent')),
      peer: inMs(of(peer)),
      ratio: median(of('agent').map((figure, index) => figure / (of(peer)[index] ?? Number.NaN))),
      goal: peer === 'bare' ? '≤ 1.5' : 'shown',
    };
  }
  const shares = ['p50', 'p99'] as const;
  const held = 'busy and its release while another hold lasts';
  const moving = 'busy and its release, READY to BUSY and back';
  const committing = '; the echo commits one row of SQLite per call';
  return [
    ...shares.map((share) => row('getState', 'read', share)),
    ...shares.map((share) => row(`${held}, durable`, 'held', share)),
    ...shares.map((share) => row(`${moving}, durable`, 'moving', share)),
    ...shares.map((share) => row(`${held}${committing}`, 'held', share, 'committing')),
    ...shares.map((share) => row(`${moving}${committing}`, 'moving', share, 'committing')),
  ];
}

export const sdkBench: Bench = {
  title: 'SDK commands',
  peer: 'generated Connect clients and the same service answered by Connect alone, on the same kind of Unix socket, call by call in turn; it keeps nothing, except where a row says that it commits',
  run: benchSdk,
};
