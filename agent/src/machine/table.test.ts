import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { type EventName, events, guards, notes, states, table } from './table.ts';

/** The transitions that a Mermaid state diagram draws, as lines of text. */
function drawn(markdown: string): string[] {
  const diagram = /```mermaid\nstateDiagram-v2\n([\s\S]*?)```/.exec(markdown)?.[1] ?? '';
  return diagram
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.includes('-->'));
}

test('the diagram in the README draws the table, row by row', async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const rows = table.map(
    ([from, event, guard, to]) => `${from} --> ${to}: ${event}${guard === null ? '' : ` when ${guard}`}`,
  );
  assert.deepEqual(new Set(drawn(readme)), new Set(['[*] --> BUSY', ...rows]));
  assert.equal(drawn(readme).length, 1 + rows.length);
});

test('no two rows start from the same state, event and guard', () => {
  const starts = table.map(([from, event, guard]) => `${from} ${event} ${guard}`);
  assert.equal(new Set(starts).size, starts.length);
});

test('every state is reached and every event and guard is used', () => {
  const reached = new Set<string>(['BUSY', ...table.map(([, , , to]) => to)]);
  assert.deepEqual(reached, new Set(states));
  assert.deepEqual(new Set(table.map(([, event]) => event)), new Set(events));
  assert.deepEqual(new Set(table.map(([, , guard]) => guard)), new Set([null, ...guards]));
});

test('no row stays in its state, so that an accepted event without a change of state was only noted', () => {
  for (const [from, , , to] of table) assert.notEqual(from, to);
  const pairs = new Set(table.map(([from, event]) => `${from} ${event}`));
  for (const [state, event] of notes) assert.ok(!pairs.has(`${state} ${event}`));
});

test('both applying states refuse to become busy, and every other state but BUSY itself agrees', () => {
  const interruptible = table.filter(([, event]) => event === 'sdk_cmdbusy').map(([from]) => from);
  const others = states.filter((state) => !interruptible.some((name) => name === state));
  assert.deepEqual(others, ['BUSY', 'APPLYING_PATCH', 'APPLYING_BASE']);
});

test('what the agent brings about by itself has an end: without host, person or cloud there is no way round', () => {
  const byItself = new Set<EventName>(events.filter((name) => !/^(sdk|cloud)_/.test(name)));
  const follow = (state: string, seen: readonly string[]): void => {
    assert.ok(!seen.includes(state), `a loop: ${[...seen, state].join(' → ')}`);
    for (const [from, event, , to] of table)
      if (from === state && byItself.has(event)) follow(to, [...seen, from]);
  };
  for (const state of states) follow(state, []);
});
