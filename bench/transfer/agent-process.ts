/** The agent's bus, outbox and transfer in a process of their own, on Microsoft's SDK. */
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createAzureBus } from '../../agent/src/bus/azure-bus.ts';
import type { Bus } from '../../agent/src/bus/bus.ts';
import { openOutbox } from '../../agent/src/outbox/open-outbox.ts';
import { vouched } from '../../agent/src/transfer/testing/vouched.ts';
import { createTransfer, type Transfer } from '../../agent/src/transfer/transfer.ts';
import { answerRequests } from '../processes.ts';
import type { Assigned } from './updater-process.ts';

type Request =
  | { kind: 'open'; connectionString: string; ca: string; folder: string }
  | { kind: 'transfer'; assigned: Assigned; folder: string };

const clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(ms: number, callback: () => void) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
let bus: Bus;
let transfer: Transfer | undefined;

answerRequests(async (request: Request) => (request.kind === 'open' ? open(request) : bring(request)));

async function open({ connectionString, ca, folder }: Extract<Request, { kind: 'open' }>): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const { outbox } = openOutbox({ path: join(folder, 'outbox.db'), clock });
  bus = createAzureBus({
    credentials: { kind: 'connection_string', connectionString },
    outgoing: outbox,
    receivers: {
      frame: ({ payload }) => transfer?.onFrame(payload.value),
      transferRefused: ({ payload }) => transfer?.onRefused(payload.value),
    },
    onAssignment() {},
    routeMemory: { read: () => 'mqtt', write() {} },
    clock,
    random: Math.random,
    notes: ({ level, what, detail }) => {
      if (level === 'warn') console.error(`agent: ${what}: ${detail}`);
    },
    sdk: { ca },
  });
  const opened = Promise.withResolvers<void>();
  bus.onLink(({ kind }) => {
    if (kind === 'open') opened.resolve();
    if (kind === 'open') transfer?.onLinkOpen();
  });
  bus.start();
  await opened.promise;
}

/** Brings the pack to disk, and answers how long it took, in ms: from the first request to the last content in its place. */
async function bring({ assigned, folder }: Extract<Request, { kind: 'transfer' }>): Promise<number> {
  const { transferId, frameSize, manifest } = assigned;
  const current = createTransfer({
    vouching: vouched,
    transferId,
    manifest: { digest: Buffer.from(manifest.digest, 'hex'), size: manifest.size },
    frameSize,
    folder,
    source: { ask: (value) => bus.ask({ case: 'frameRequest', value }) },
    clock,
    random: Math.random,
  });
  transfer = current;
  const started = performance.now();
  const outcome = await current.run(new AbortController().signal);
  const elapsedMs = performance.now() - started;
  if (outcome.kind !== 'complete') throw new Error(`the transfer ended with ${outcome.kind}`);
  await rm(folder, { recursive: true });
  return elapsedMs;
}
