/**
 * PowerShell does not run where these tests do. What can be held here: each script takes the orders that the agent gives, with their
 * fields, and answers with the fields of the recorded answers, which the agent's readers are tested by.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { RunProgram } from './install/process-group.ts';
import { realClock } from './install/testing/real-clock.ts';
import { createWindowsUpdate } from './install/windows/windows-update.ts';
import { createAskWindows } from './slots/windows/ask-windows.ts';
import { createWindowsBootLoader } from './slots/windows/windows-boot-loader.ts';
import { createWindowsPartitions } from './slots/windows/windows-partitions.ts';

const read = (path: string) => readFileSync(join(import.meta.dirname, path), 'utf8');
const updateScript = read('install/windows/windows-update.ps1').replaceAll(/^\s*#.*$/gm, '');
const slotScript = read('slots/windows/windows-slots.ps1').replaceAll(/^\s*#.*$/gm, '');
const sorted = (names: Iterable<string>) => [...new Set(names)].toSorted();
const surroundings = { clock: realClock, redact: (text: string) => text, environment: {} };

/** The text between the bracket at `start` and the one that closes it. */
function enclosed(text: string, start: number): string {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    if ('{(['.includes(text[at] ?? '')) depth += 1;
    if ('})]'.includes(text[at] ?? '')) depth -= 1;
    if (depth === 0) return text.slice(start + 1, at);
  }
  throw new Error('the script’s brackets do not close');
}

/** The keys of each hashtable of a script, of those that have the key `mark`. */
function tablesIn(script: string, mark: string): string[][] {
  const tables = [...script.matchAll(/@\{/g)].map(({ index }) => {
    let flat = enclosed(script, index + 1);
    for (let before = ''; before !== flat; ) {
      before = flat;
      flat = flat.replaceAll(/\{[^{}]*\}|\([^()]*\)/g, '');
    }
    return sorted([...flat.matchAll(/(?:^|[;\n])\s*(\w+)\s*=/g)].map(([, key = '']) => key));
  });
  return tables.filter((keys) => keys.includes(mark));
}

const fixturesIn = (folder: string): Record<string, unknown>[] =>
  readdirSync(join(import.meta.dirname, folder)).map((name) => JSON.parse(read(join(folder, name))));

const fieldsOf = (script: string) =>
  sorted([...script.matchAll(/\$order\.(\w+)/g)].map(([, name = '']) => name));
const kinds = (tables: string[][]) => sorted(tables.map((keys) => keys.join(' ')));

/** Gives what was ordered an answer that ends it, and remembers it. */
function recorder() {
  const orders: Record<string, unknown>[] = [];
  const run: RunProgram = (_command, { input }) => {
    orders.push(JSON.parse(input ?? ''));
    return Promise.resolve({ kind: 'exited', exitCode: 1, output: '', stdout: '' });
  };
  return { orders, run };
}

test('the script for Windows Update reads what the agent sends, and answers in the recorded form', async () => {
  const { orders, run } = recorder();
  const windows = createWindowsUpdate({ ...surroundings, run });
  const limits = { timeLimitMs: 1000, signal: new AbortController().signal, operation: '' };
  await windows.install({ kind: 'updates', updateIds: ['a'] }, limits);
  await windows.uninstall(['a'], limits);
  for (const order of orders) assert.deepEqual(sorted(Object.keys(order)), fieldsOf(updateScript));
  const actions = [...updateScript.matchAll(/\$order\.action -eq '(\w+)'/g)].map(([, action = '']) => action);
  assert.deepEqual(sorted(actions), sorted(orders.map(({ action }) => String(action))));

  const recorded = fixturesIn('install/windows/fixtures');
  const answers = tablesIn(updateScript, 'phase').map((keys) => sorted([...keys, 'build']));
  assert.match(updateScript, /\$answer\.build = /);
  assert.deepEqual(kinds(answers), kinds(recorded.map((answer) => sorted(Object.keys(answer)))));
  const each = recorded
    .flatMap(({ updates }) => updates as object[])
    .map((update) => sorted(Object.keys(update)));
  assert.deepEqual(kinds(tablesIn(updateScript, 'updateId')), kinds(each));
});

test('the script for the slots takes each order with its fields, and answers in the recorded form', async () => {
  const { orders, run } = recorder();
  const ask = createAskWindows({ ...surroundings, run });
  const places = { a: '{a}', b: '{b}' };
  const loader = createWindowsBootLoader(ask, places);
  const steps = [
    loader.read(),
    loader.offer('a', 1),
    loader.withdraw('a'),
    loader.startOnce('a'),
    loader.startByDefault('a'),
    createWindowsPartitions(ask, [{ name: 'windows', places }], []).bytes('windows'),
    createWindowsPartitions(ask, [{ name: 'windows', places }], ['C:\\data']).bytes('windows'),
    ask({ action: 'apply', partition: '{a}', image: 'C:\\one.wim', index: 1 }),
  ];
  await Promise.allSettled(steps);
  const bodies = [...slotScript.matchAll(/^ {4}'(\w+)' \{/gm)].map(({ 0: head, 1: action = '', index }) => {
    const body = enclosed(slotScript, index + head.length - 1);
    const called = /Write-Slot \$order/.test(body)
      ? /function Write-Slot\(\$order\) \{/.exec(slotScript)
      : null;
    const more = called === null ? '' : enclosed(slotScript, called.index + called[0].length - 1);
    return [action, sorted([...fieldsOf(body + more), 'action'])] as const;
  });
  const sent = new Map(orders.map((order) => [String(order.action), sorted(Object.keys(order))]));
  assert.deepEqual(Object.fromEntries(bodies), Object.fromEntries(sent));

  const recorded = fixturesIn('slots/windows/fixtures').map((answer) => sorted(Object.keys(answer)));
  assert.deepEqual(kinds(tablesIn(slotScript, 'result')), kinds(recorded));
});
