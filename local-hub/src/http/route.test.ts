import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkApiVersion } from './api-version.ts';
import { createRouter, segmentsOf } from './route.ts';
import { routes } from './routes.ts';

test('a route is found by method and path, and gives the variable parts', () => {
  const find = createRouter(routes);
  const match = find('POST', ['devices', 'a/b', 'files', 'notifications', 'c']);
  assert.equal(match.kind, 'found');
  assert.deepEqual(match.kind === 'found' && match.params, { deviceId: 'a/b', correlationId: 'c' });
  assert.deepEqual(find('PATCH', ['devices', 'd1']), {
    kind: 'wrong-method',
    allowed: ['GET', 'PUT', 'DELETE'],
  });
  assert.deepEqual(find('GET', ['nowhere']), { kind: 'unknown-path' });
});

test('no route hides another of the table', () => {
  const find = createRouter(routes);
  for (const route of routes) {
    const path = route.path
      .replaceAll(/\{(\w+)\}/g, 'value-of-$1')
      .split('/')
      .slice(1);
    const match = find(route.method, path);
    assert.equal(match.kind === 'found' && match.route.path, route.path, `${route.method} ${route.path}`);
  }
});

test('every path but health asks who calls, and provisioning checks devices itself', () => {
  const open = routes
    .filter(({ access }) => access === 'anyone')
    .map(({ method, path }) => `${method} ${path}`);
  assert.deepEqual(open, [
    'PUT /{scopeId}/registrations/{registrationId}/register',
    'GET /{scopeId}/registrations/{registrationId}/operations/{operationId}',
    'GET /healthz',
    'GET /readyz',
  ]);
});

test('paths are split before they are decoded, so that an id may hold a slash', () => {
  assert.deepEqual(segmentsOf('/devices/a%2Fb/'), ['devices', 'a/b']);
  assert.equal(segmentsOf('/devices/%zz'), undefined);
});

test('api versions since 2018 are served, garbage is refused', () => {
  for (const good of ['2018-06-30', '2021-04-12', '2020-05-31-preview']) checkApiVersion(good);
  for (const bad of [null, '', '2016-11-14', '2021-13-01', 'latest', '2021-04-12;drop']) {
    assert.throws(() => checkApiVersion(bad), { code: 'ArgumentInvalid' }, String(bad));
  }
});
