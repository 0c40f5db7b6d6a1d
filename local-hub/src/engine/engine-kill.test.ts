/** kill -9 of a working engine: what was acknowledged holds, and each message is either in its queue or in the feedback. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { silentLog } from '../diagnostics.ts';
import { openStore } from '../store/open-store.ts';
import { createManualClock } from './clock.ts';
import { createEngine } from './engine.ts';
import type { FeedbackRecord } from './feedback.ts';

const rounds = 6;
const child = fileURLToPath(new URL('./engine-kill-child.ts', import.meta.url));

type Acknowledged = Record<'sent' | 'completed' | 'appended', number[]>;

/** Runs the child until it has acknowledged so much, kills it, and adds what it had acknowledged. */
async function runAndKill(parameters: string[], lineCount: number, acknowledged: Acknowledged) {
  const hub = spawn(process.execPath, [child, ...parameters], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  let lines = 0;
  for await (const chunk of hub.stdout.setEncoding('utf8')) {
    output += chunk;
    lines += (chunk as string).split('\n').length - 1;
    // On a slow machine so many lines can come before the first completion.
    if (lines >= lineCount && output.includes('completed')) hub.kill('SIGKILL');
  }
  // The last line may have been cut in the middle.
  for (const line of output.split('\n').slice(0, -1)) {
    const [what, number] = line.split(' ');
    acknowledged[what as keyof Acknowledged].push(Number(number));
  }
}

/** What a restarted hub has: in the queue, in the feedback, in the log. */
async function inspect(dataDir: string) {
  const store = openStore({ dataDir });
  const clock = createManualClock(Date.now());
  const settings = { hostName: 'localhost', throttles: 'off' } as const;
  const engine = await createEngine({ store, clock, log: silentLog, settings });
  const queued: number[] = [];
  const ended: number[] = [];
  engine.cloudToDevice.receive('d1', {
    window: 50,
    deliver: ({ message }) => queued.push(Number(message.body.toString())),
  });
  engine.feedback.receive({
    window: 10_000,
    deliver: ({ body }) => {
      const records = JSON.parse(body.toString()) as FeedbackRecord[];
      ended.push(...records.map((record) => Number(record.originalMessageId)));
    },
  });
  clock.advance(20_000);
  for (let turn = 0; turn < 4; turn += 1) {
    await store.flushed();
    await nextTurn();
  }
  const partition = engine.telemetry.partitionOf('d1');
  const cursor = engine.telemetry.open(partition, 'earliest');
  const appended: number[] = [];
  for (let events = cursor.read(1_000); events.length > 0; events = cursor.read(1_000)) {
    appended.push(...events.map(({ message }) => Number(message.body.toString())));
  }
  await engine.stop();
  await store.close();
  return { queued, ended, appended };
}

test(`messages, feedback and events agree after each of ${rounds} kills`, async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'hub-engine-kill-'));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const acknowledged: Acknowledged = { sent: [], completed: [], appended: [] };
  for (let round = 0; round < rounds; round += 1) {
    const firstNumber = 1 + round * 1_000_000;
    await runAndKill([dataDir, `${firstNumber}`], 40 + round * 150, acknowledged);
    const { queued, ended, appended } = await inspect(dataDir);

    assert.ok(acknowledged.completed.length > 0, 'the child got to work');
    const queue = new Set(queued);
    const feedback = new Set(ended);
    assert.equal(feedback.size, ended.length, 'nothing ended twice');
    const accepted = new Set([...ended, ...queued]);
    assert.equal(accepted.size, feedback.size + queue.size, 'nothing both ended and waits');
    assert.deepEqual(
      acknowledged.sent.filter((number) => !accepted.has(number)),
      [],
      'nothing accepted is lost',
    );
    assert.deepEqual(
      acknowledged.completed.filter((number) => !feedback.has(number)),
      [],
      'nothing completed comes again or lacks its feedback',
    );
    assert.deepEqual(
      queued,
      queued.toSorted((a, b) => a - b),
      'the queue is in order',
    );
    const log = new Set(appended);
    assert.equal(log.size, appended.length, 'no event is there twice');
    assert.deepEqual(
      acknowledged.appended.filter((number) => !log.has(number)),
      [],
      'no event is lost',
    );
  }
});
