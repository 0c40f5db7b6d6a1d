/** kill -9 at any instant loses nothing that was acknowledged, and leaves nothing out of order. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createRandom } from '../../fuzz/random.ts';
import { openStore } from './open-store.ts';

const rounds = 12;
const child = fileURLToPath(new URL('./kill-child.ts', import.meta.url));

/** Runs the child until `acknowledgements` of this run have come, kills it, and returns all that it had acknowledged. */
async function runAndKill(dataDir: string, acknowledgements: number): Promise<number[]> {
  const hub = spawn(process.execPath, [child, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  let lines = 0;
  for await (const chunk of hub.stdout.setEncoding('utf8')) {
    output += chunk;
    lines += (chunk as string).split('\n').length - 1;
    if (lines >= acknowledgements) hub.kill('SIGKILL');
  }
  // The last line may have been cut in the middle.
  return output.split('\n').slice(0, -1).map(Number);
}

test(`everything that was acknowledged is there after each of ${rounds} kills`, async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'hub-kill-'));
  t.after(() => rmSync(dataDir, { recursive: true, force: true }));
  const random = createRandom(20_260_101);
  let committed = 0;
  for (let round = 0; round < rounds; round += 1) {
    const acknowledged = await runAndKill(dataDir, 1 + random.below(400));
    const store = openStore({ dataDir });
    const commands = [...store.commands.load()];
    const events = store.events.read(0, 0, { maxCount: 1_000_000, maxBytes: 1e9 });
    const counters = [...store.documents.load<number>('setting')];
    for (const { sequence } of commands) {
      const body = store.commands.content(sequence)?.body;
      assert.ok(body?.equals(Buffer.alloc(body.length, sequence % 251)), `body of ${sequence} is whole`);
    }
    await store.close();

    const last = events.length;
    assert.ok(acknowledged.length > 0, 'the child got to work');
    assert.ok(
      last >= (acknowledged.at(-1) ?? 0),
      `round ${round}: ${acknowledged.at(-1)} was acknowledged, ${last} are there`,
    );
    assert.ok(last > committed, 'and went on where it had been killed');
    committed = last;
    assert.deepEqual(
      acknowledged,
      acknowledged.toSorted((a, b) => a - b),
      'acknowledged in order',
    );
    const expected = Array.from({ length: last }, (_, index) => index + 1);
    assert.deepEqual(
      events.map(({ sequence }) => sequence),
      expected,
      'no event is missing',
    );
    // Each unit adds its number and removes its fifth predecessor: all of it, or nothing.
    assert.deepEqual(
      commands.map(({ sequence }) => sequence),
      expected.slice(-5),
      'no unit is half done',
    );
    assert.deepEqual(counters, [{ id: 'counter', value: last }]);
  }
});
