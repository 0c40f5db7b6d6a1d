/** A fleet in this process, for tests of commands: the generated services over HTTP, with only the methods that a test gives. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import type { ConnectRouter } from '@connectrpc/connect';
// biome-ignore lint/correctness/noUndeclaredDependencies: the root declares what only tests use
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { run } from '../run.ts';
import type { Terminal } from '../terminal.ts';

export type Ran = { code: number; out: string; notes: string };

/** Serves these routes until the test ends; answers with what runs a command line against them. */
export async function startFakeFleet(
  t: TestContext,
  routes: (router: ConnectRouter) => void,
): Promise<(...args: string[]) => Promise<Ran>> {
  const server = createServer(connectNodeAdapter({ routes }));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return (...args) => runHere(args, { IOTDH_API_URL: `http://127.0.0.1:${port}`, IOTDH_TOKEN: 'secret' });
}

/** Runs a command line in this process, as a program would: nobody reads at a terminal. */
export async function runHere(
  args: readonly string[],
  env: Record<string, string>,
  { tty = false, now = '2026-11-23T12:00:00Z' }: { tty?: boolean; now?: string } = {},
): Promise<Ran> {
  const ran: Ran = { code: -1, out: '', notes: '' };
  const terminal: Terminal = {
    out: (text) => {
      ran.out += text;
    },
    note: (line) => {
      ran.notes += `${line}\n`;
    },
    draw: () => undefined,
    outIsTty: tty,
    noteIsTty: false,
    columns: 100,
    env: { IOTDH_CONFIG_DIR: '/nonexistent/iotdh', ...env },
    cwd: '/',
    signal: new AbortController().signal,
    askSecret: async () => null,
    now: () => new Date(now),
    wait: (_ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) reject(signal.reason as Error);
        else setImmediate(resolve);
      }),
    style: (_style, text) => text,
  };
  ran.code = await run(args, terminal);
  return ran;
}
