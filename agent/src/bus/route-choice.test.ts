import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Route, routes } from './bus.ts';
import { createRouteChoice } from './route-choice.ts';

function memoryOf(initial?: string) {
  const writes: Route[] = [];
  return { writes, read: () => writes.at(-1) ?? initial, write: (route: Route) => void writes.push(route) };
}

test('the other way is tried after two failures in a row, and what worked is remembered once', () => {
  const memory = memoryOf();
  const choice = createRouteChoice(routes, memory);
  choice.failed();
  assert.equal(choice.current, 'mqtt');
  choice.failed();
  assert.equal(choice.current, 'mqtt_ws');
  choice.worked();
  choice.worked();
  assert.deepEqual(memory.writes, ['mqtt_ws']);
  choice.failed();
  choice.failed();
  assert.equal(choice.current, 'mqtt');
});

test('a memory that is empty, unknown or of a way that is not allowed means the preferred way', () => {
  assert.equal(createRouteChoice(routes, memoryOf('mqtt_ws')).current, 'mqtt_ws');
  assert.equal(createRouteChoice(routes, memoryOf('carrier pigeon')).current, 'mqtt');
  const only = createRouteChoice(['mqtt'], memoryOf('mqtt_ws'));
  for (let n = 0; n < 5; n += 1) only.failed();
  assert.equal(only.current, 'mqtt');
});
