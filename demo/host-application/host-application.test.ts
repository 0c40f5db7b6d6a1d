import assert from 'node:assert/strict';
import { EventEmitter, on } from 'node:events';
import { type TestContext, test } from 'node:test';
import { createAgentClient } from '@iotdh/sdk';
import { createFakeAgent } from '@iotdh/sdk/testing';
import { createHostApplication } from './host-application.ts';
import type { Answer, Sight } from './room.ts';

function createRoom(t: TestContext, answer: Answer) {
  const agent = createFakeAgent();
  const seen: string[] = [];
  const sights = new EventEmitter();
  let version = '1.0';
  const application = createHostApplication({
    agent: createAgentClient({ transport: agent.transport }),
    product: 'dcm2niix',
    person: { id: 'w', name: 'Dr W' },
    readVersion: async () => version,
    lastPosition: async () => null,
    keepPosition: async () => {},
    room: {
      show(sight) {
        seen.push(textOf(sight));
        sights.emit('sight');
      },
      ask: async () => answer,
    },
  });
  const stopping = new AbortController();
  const running = application.run(stopping.signal);
  t.after(async () => {
    stopping.abort();
    await assert.rejects(running, { name: 'AbortError' });
  });
  return {
    agent,
    application,
    seen,
    update(to: string) {
      version = to;
    },
    async see(wanted: string): Promise<void> {
      if (seen.includes(wanted)) return;
      for await (const _ of on(sights, 'sight')) if (seen.includes(wanted)) return;
    },
  };
}

function textOf(sight: Sight): string {
  switch (sight.kind) {
    case 'runs':
      return `runs ${sight.version}`;
    case 'change':
      return sight.change.to;
    case 'answered':
      return `${sight.person}: ${sight.answer}`;
    case 'examination':
      return sight.running ? 'begins' : 'ends';
    default:
      return sight.kind;
  }
}

test('the sample host application holds the machine, passes a consent on and reports what runs', async (t) => {
  const room = createRoom(t, 'confirm');
  await room.see('READY');
  await room.application.beginExamination();
  await room.see('BUSY');
  await room.application.endExamination();
  room.agent.offer({ title: 'Service pack', changes: ['a newer converter'] });
  await room.see('APPLYING_PATCH');
  room.update('2.0');
  room.agent.succeed();
  await room.see('runs 2.0');
  assert.equal(room.seen[0], 'runs 1.0');
  assert.ok(room.seen.includes('Dr W: confirm'));
  const versions = room.agent.heard.filter(({ method }) => method === 'reportVersion');
  assert.equal(versions.length, 2);
});

test('the sample host application leaves the update alone that a person declines', async (t) => {
  const room = createRoom(t, 'decline');
  await room.see('READY');
  room.agent.offer();
  await room.see('Dr W: decline');
  assert.equal(room.agent.state, 'WAIT_CONFIRM_PATCH');
});
