import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openOutbox } from './open-outbox.ts';
import { createStillClock, read } from './testing.ts';

test('an outbox killed in mid-work has lost nothing that was kept, and sends again only under the same id', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-outbox-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'outbox.db');
  const kept = new Map<number, string>();
  const gone = new Map<number, string>();

  for (const deathAt of [1, 7, 40, 93]) {
    const victim = fork(join(import.meta.dirname, 'victim.ts'), [path], { stdio: 'ignore' });
    const end = once(victim, 'exit');
    let heard = 0;
    victim.on('message', (message: { kept?: [number, string]; sent?: [number, string] }) => {
      if (message.kept !== undefined) {
        assert.ok(!kept.has(message.kept[0]), `sequence ${message.kept[0]} was given twice`);
        kept.set(...message.kept);
      }
      if (message.sent !== undefined) gone.set(...message.sent);
      heard += 1;
      if (heard === deathAt) victim.kill('SIGKILL');
    });
    await end;
  }

  const { outbox } = openOutbox({ path, clock: createStillClock() });
  t.after(() => outbox.close());
  const here = new Map(outbox.take(10_000).map((message) => [message.sequence, read(message).messageId]));
  for (const [sequence, messageId] of kept) {
    assert.ok(here.has(sequence) || gone.has(sequence), `message ${sequence} is lost`);
    assert.equal(here.get(sequence) ?? messageId, messageId);
  }
  for (const [sequence, messageId] of gone) assert.equal(kept.get(sequence) ?? messageId, messageId);
  assert.ok(kept.size > 50);
});
