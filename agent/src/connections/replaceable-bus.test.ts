import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bus, Link } from '../bus/bus.ts';
import type { Credentials } from '../bus/credentials.ts';
import { createReplaceableBus } from './replaceable-bus.ts';

const credentials = (connectionString: string): Credentials => ({
  kind: 'connection_string',
  connectionString,
});

/** Buses that say what is done to them, and whose link opens at once. */
function createBuses() {
  const done: string[] = [];
  function make(given: Credentials): Bus {
    const name = given.kind === 'connection_string' ? given.connectionString : '';
    if (name === 'nonsense') throw new Error('this is no connection string');
    const listeners = new Set<(link: Link) => void>();
    let link: Link = { kind: 'idle' };
    return {
      get link() {
        return link;
      },
      onLink(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      start() {
        done.push(`${name} starts`);
        link = { kind: 'open', route: 'mqtt', sinceMs: 0 };
        for (const listener of listeners) listener(link);
      },
      ask: async () => ({ kind: 'sent' }),
      async stop() {
        done.push(`${name} stops`);
      },
    };
  }
  return { done, make };
}

test('the link before ends before the new one begins, and does not pass for it', async () => {
  const { done, make } = createBuses();
  const bus = createReplaceableBus(make);
  const never = new AbortController().signal;
  bus.use(credentials('first'));
  assert.equal(await bus.opens(never), true);
  bus.use(credentials('second'));
  assert.equal(bus.link.kind, 'idle');
  assert.equal(await bus.opens(never), true);
  assert.deepEqual(done, ['first starts', 'first stops', 'second starts']);
});

test('a link that was left does not pass for the next one, while its credentials are being found', async () => {
  const { done, make } = createBuses();
  const bus = createReplaceableBus(make);
  bus.use(credentials('first'));
  await bus.opens(new AbortController().signal);
  bus.leave();
  assert.equal(bus.link.kind, 'idle');
  assert.equal(await bus.opens(AbortSignal.abort()), false);
  bus.use(credentials('second'));
  assert.equal(await bus.opens(new AbortController().signal), true);
  assert.deepEqual(done, ['first starts', 'first stops', 'second starts']);
});

test('credentials that cannot be any leave no link, so that whoever set them finds that they do not connect', async () => {
  const { done, make } = createBuses();
  const bus = createReplaceableBus(make);
  bus.use(credentials('first'));
  await bus.opens(new AbortController().signal);
  assert.throws(() => bus.use(credentials('nonsense')), /no connection string/);
  assert.equal(await bus.opens(AbortSignal.abort()), false);
  bus.use(credentials('first'));
  assert.equal(await bus.opens(new AbortController().signal), true);
  await bus.stop();
  assert.deepEqual(done, ['first starts', 'first stops', 'first starts', 'first stops']);
});
