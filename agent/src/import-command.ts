/** `iotdh-agent import`: hands a bundle to the agent that runs on this machine, and says what becomes of it. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Code, ConnectError, createClient, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { BundleService, ImportOutcome } from '@iotdh/proto/agent/v1';
import type { Settings } from './settings/settings.ts';

/** Reading a large bundle's folder takes its time on a slow stick. */
const callMs = 300_000;

const words: Readonly<Record<ImportOutcome, string>> = {
  [ImportOutcome.UNSPECIFIED]: 'is taken',
  [ImportOutcome.TAKEN]: 'is taken; leave the medium in until it has been copied',
  [ImportOutcome.WAITS]: 'waits until the machine is ready; leave the medium in until it has been copied',
  [ImportOutcome.JOINED]: 'is under way already, and comes from here from now on',
};

/** Resolves to the process's exit code. */
export async function runImport(
  path: string,
  settings: Settings,
  print: { out(text: string): void; err(text: string): void },
): Promise<number> {
  try {
    const client = createClient(BundleService, transportTo(settings));
    const { outcome, manifest } = await client.importBundle({ path: resolve(path) }, { timeoutMs: callMs });
    print.out(`${manifest?.name}@${manifest?.version} ${words[outcome]}\n`);
    return 0;
  } catch (error) {
    const { code, rawMessage } = ConnectError.from(error);
    const away = code === Code.Unavailable || code === Code.Unknown;
    print.err(
      `iotdh-agent: ${away ? `the agent does not answer (${rawMessage}); is it running?` : rawMessage}\n`,
    );
    return 1;
  }
}

function transportTo({ api, dataDir }: Settings) {
  const { socket, loopback } = api;
  if (socket !== null) {
    return createConnectTransport({
      baseUrl: 'http://localhost',
      httpVersion: '1.1',
      nodeOptions: { socketPath: socket.path },
    });
  }
  const port = loopback?.port || readFileSync(join(dataDir, 'loopback-port'), 'utf8').trim();
  const token = readFileSync(loopback?.tokenFile ?? '', 'utf8').trim();
  const bearing: Interceptor = (next) => (request) => {
    request.header.set('authorization', `Bearer ${token}`);
    return next(request);
  };
  return createConnectTransport({
    baseUrl: `http://127.0.0.1:${port}`,
    httpVersion: '1.1',
    interceptors: [bearing],
  });
}
