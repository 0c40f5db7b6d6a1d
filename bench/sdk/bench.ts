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

type Server = 'agent' | 'bare';
/** One call at a time, so that what is measured is how long a host application waits. */
type Commands = Record<'read' | 'command', () => Promise<unknown>>;
/** In ms. */
type Latency = { p50: number; p99: number };

function commandsOf(server: Server, socketPath: string): Commands {
  if (server === 'agent') {
    const client = createAgentClient({ fetch: unixSocketFetch(socketPath) });
    return {
      read: () => client.getState(),
      async command() {
        const lease = await client.busy('An examination');
        await lease.release();
      },
    };
  }
  const client = createClient(
    AgentService,
    createConnectTransport({ baseUrl: 'http://agent', httpVersion: '1.1', nodeOptions: { socketPath } }),
  );
  const requestId = '00000000-0000-4000-8000-000000000003';
  return {
    read: () => client.getState({}),
    async command() {
      await client.setBusy({ requestId, reason: { text: 'An examination' } });
      await client.setReady({ requestId });
    },
  };
}

async function latencyOf(call: () => Promise<unknown>, count: number): Promise<Latency> {
  for (let warming = 0; warming < count / 5; warming += 1) await call();
  const times: number[] = [];
  for (let done = 0; done < count; done += 1) {
    const started = performance.now();
    await call();
    times.push(performance.now() - started);
  }
  times.sort((a, b) => a - b);
  return { p50: times[Math.floor(count * 0.5)]!, p99: times[Math.floor(count * 0.99)]! };
}

async function measure(server: Server, count: number): Promise<Record<keyof Commands, Latency>> {
  const directory = await mkdtemp(join(tmpdir(), 'iotdh-bench-sdk-'));
  const process = startWorker(join(import.meta.dirname, 'server-process.ts'));
  try {
    const commands = commandsOf(server, await process.ask<string>({ server, directory }));
    return {
      read: await latencyOf(commands.read, count),
      command: await latencyOf(commands.command, count),
    };
  } finally {
    await process.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

export async function benchSdk({ rounds, quick, progress }: RunOptions): Promise<Row[]> {
  const count = quick ? 50 : 2_000;
  const turns: Record<Server, Record<keyof Commands, Latency>>[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    progress(`SDK commands, round ${round} of ${rounds}`);
    turns.push({ bare: await measure('bare', count), agent: await measure('agent', count) });
  }
  const row = (what: string, command: keyof Commands, share: keyof Latency): Row => {
    const of = (server: Server): number[] => turns.map((turn) => turn[server][command][share]);
    const ratios = of('agent').map((figure, index) => figure / of('bare')[index]!);
    const inMs = (figures: number[]): string => `${median(figures).toFixed(2)} ms`;
    return {
      what: `${what}, ${share}`,
      ours: inMs(of('agent')),
      peer: inMs(of('bare')),
      ratio: median(ratios),
      goal: '≤ 1.5',
    };
  };
  const durable = 'busy and its release, each durable on disk (the echo keeps nothing)';
  return [
    row('getState', 'read', 'p50'),
    row('getState', 'read', 'p99'),
    row(durable, 'command', 'p50'),
    row(durable, 'command', 'p99'),
  ];
}

export const sdkBench: Bench = {
  title: 'SDK commands',
  peer: 'generated Connect clients and the same service answered by Connect alone, on the same kind of Unix socket',
  run: benchSdk,
};
