/**
 * The process of the sample host application. It knows the agent's socket and where it is installed itself; people see it
 * and speak to it by lines of JSON on stdout and stdin, for which the demo lends its terminal.
 */
import { execFile } from 'node:child_process';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { createAgentClient } from '@iotdh/sdk';
import { unixSocketFetch } from '@iotdh/sdk/node';
import { createHostApplication } from './host-application.ts';
import type { FromHostApplication, ToHostApplication } from './lines.ts';
import type { Answer } from './room.ts';

const { values } = parseArgs({
  options: {
    /** The agent's Unix socket. */
    socket: { type: 'string' },
    /** The program that this is the host application of. */
    program: { type: 'string' },
    product: { type: 'string' },
    /** Keeps how far it has followed the agent. */
    positions: { type: 'string' },
  },
});
const { socket, program, product, positions } = values;
if (socket === undefined || program === undefined || product === undefined || positions === undefined) {
  console.error('host-application needs --socket, --program, --product and --positions');
  process.exit(2);
}

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
// Whoever started it is gone.
process.stdin.once('end', () => stopping.abort());

let answered: (answer: Answer) => void = () => {};

function tell(line: FromHostApplication): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const application = createHostApplication({
  agent: createAgentClient({ fetch: unixSocketFetch(socket) }),
  product,
  person: { id: 'c.weber@heart-centre.example', name: 'Dr C. Weber' },
  room: {
    show: tell,
    ask(update, signal) {
      const { kind, ...rest } = update;
      const { name, version, title, summary, changes, restartsMachine } = rest;
      tell({
        kind: 'question',
        question: { update: kind, name, version, title, summary, changes, restartsMachine },
      });
      return new Promise<Answer>((resolve, reject) => {
        answered = resolve;
        signal.addEventListener('abort', () => {
          tell({ kind: 'question_lapsed' });
          reject(signal.reason);
        });
      });
    },
  },
  lastPosition: () => readFile(positions, 'utf8').catch(() => null),
  async keepPosition(position) {
    await writeFile(`${positions}.next`, position);
    await rename(`${positions}.next`, positions);
  },
  /** dcm2niix says its version on a line of its own, and exits with 3 after it. */
  readVersion: () =>
    new Promise((resolve, reject) => {
      execFile(program, ['--version'], { timeout: 10_000 }, (error, stdout) => {
        const [, version] = /^v([0-9.]+)$/m.exec(stdout) ?? [];
        if (version !== undefined) resolve(version);
        else reject(new Error(`${program} does not say its version`, { cause: error }));
      });
    }),
});

async function listen(): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const heard = JSON.parse(line) as ToHostApplication;
    if (heard.kind === 'begin_examination') await application.beginExamination();
    if (heard.kind === 'end_examination') await application.endExamination();
    if (heard.kind === 'answer') answered(heard.answer);
  }
}

void listen().catch((error: unknown) => {
  if (!stopping.signal.aborted) throw error;
});
await application.run(stopping.signal).catch((error: unknown) => {
  if (!stopping.signal.aborted) throw error;
});
// Holds and questions belong to this process; the agent ends leases by itself.
process.exit();
