import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceIdentity } from './identity.ts';
import { createQueries } from './query.ts';
import type { JsonObject, Twin } from './twin.ts';

type Device = { deviceId: string } & JsonObject;

/** Five stations in three sites. */
const stations: Device[] = [
  {
    deviceId: 's1',
    status: 'enabled',
    tags: { site: 'Aachen', floor: 1 },
    properties: { reported: { fw: '1.10', load: 5 } },
  },
  {
    deviceId: 's2',
    status: 'enabled',
    tags: { site: 'Berlin', floor: 2 },
    properties: { reported: { fw: '2.0', load: 7.5 } },
  },
  {
    deviceId: 's3',
    status: 'disabled',
    tags: { site: 'Berlin', floor: null },
    properties: { reported: { fw: 2 } },
  },
  {
    deviceId: 's4',
    status: 'enabled',
    tags: { site: 'Berlin', 'a b': [1, { x: true }] },
    properties: { reported: {} },
  },
  {
    deviceId: 's5',
    status: 'enabled',
    tags: {},
    connectionState: 'Connected',
    properties: { reported: { load: -1 } },
  },
];

function open(devices: Device[] = stations) {
  const queries = createQueries({
    registry: { identities: () => devices as unknown as DeviceIdentity[] },
    twins: { peek: (device) => device as unknown as Twin },
  });
  const ids = (where: string) =>
    queries
      .run({ query: `SELECT * FROM devices WHERE ${where}` })
      .items.map((item) => String(item.deviceId).slice(1))
      .join('');
  const rows = (query: string) => queries.run({ query }).items;
  return { queries, ids, rows };
}

function refused(query: string, message: RegExp, code = 'ArgumentInvalid'): void {
  assert.throws(() => open().queries.run({ query }), { code, message }, query);
}

test('SELECT * gives whole twins in the order of their ids, keywords have any case', () => {
  const { queries } = open(stations.toReversed());
  const page = queries.run({ query: 'select * from Devices' });
  assert.deepEqual(page, { type: 'twin', items: stations, continuation: undefined });
});

test('WHERE selects by comparison, list, type and text', () => {
  const { ids } = open();
  const cases: [string, string][] = [
    ["deviceId = 's1'", '1'],
    ['deviceId = "s1"', '1'],
    ["devices.tags.site = 'Berlin'", '234'],
    ["tags['site'] = 'Berlin'", '234'],
    ["tags['a b'][0] = 1", '4'],
    ["tags['a b'][1].x", '4'],
    ["tags['a b'] = [1, null]", ''],
    ["'Berlin' = tags.site", '234'],
    ["tags.site != 'Berlin'", '1'],
    ["tags.site <> 'Berlin'", '1'],
    ['tags.floor = 1', '1'],
    ['tags.floor > 1', '2'],
    ['tags.floor >= 1', '12'],
    ['tags.floor < 2', '1'],
    ['tags.floor <= 2', '12'],
    ['tags.floor = null', '3'],
    ['properties.reported.load < 0', '5'],
    ['properties.reported.load = -1', '5'],
    ['properties.reported.load = 7.5e0', '2'],
    ["properties.reported.fw < '2'", '1'],
    ["tags.site IN ['Aachen', 'Paris']", '1'],
    ["tags.site in ('Aachen', 'Paris')", '1'],
    ["tags.site NIN ['Aachen', 'Paris']", '234'],
    ["tags.site NOT IN ['Aachen']", '234'],
    ['tags.floor IN [1, null]', '13'],
    ['tags.floor IN []', ''],
    ['is_defined(tags.floor)', '123'],
    ['NOT is_defined(tags.floor)', '45'],
    ['IS_NULL(tags.floor)', '3'],
    ['is_number(properties.reported.fw)', '3'],
    ['is_string(properties.reported.fw)', '12'],
    ['is_bool(tags.floor)', ''],
    ['is_object(tags)', '12345'],
    ["is_array(tags['a b'])", '4'],
    ['is_primitive(tags.floor)', '123'],
    ["STARTSWITH(tags.site, 'Ber')", '234'],
    ["starts_with(tags.site, 'Ber')", '234'],
    ["ENDSWITH(tags.site, 'en')", '1'],
    ["CONTAINS(tags.site, 'erl')", '234'],
    ["CONTAINS(tags.floor, '1')", ''],
    ["connectionState = 'Connected'", '5'],
  ];
  for (const [where, expected] of cases) assert.equal(ids(where), expected, where);
});

test('AND binds closer than OR, NOT closest, and parentheses decide', () => {
  const { ids } = open();
  assert.equal(ids("status = 'disabled' OR tags.site = 'Berlin' AND tags.floor = 2"), '23');
  assert.equal(ids("(status = 'disabled' OR tags.site = 'Berlin') AND tags.floor = 2"), '2');
  assert.equal(ids("NOT status = 'disabled' AND tags.site = 'Berlin'"), '24');
  assert.equal(ids("NOT (status = 'disabled' AND tags.site = 'Berlin')"), '1245');
  assert.equal(ids("NOT NOT status = 'disabled'"), '3');
  assert.equal(ids('true'), '12345');
  assert.equal(ids('false'), '');
});

test('what is not defined is neither equal nor unequal, and its negation is no match either', () => {
  const { ids } = open();
  assert.equal(ids('tags.floor = 1 OR NOT tags.floor = 1'), '123');
  assert.equal(ids('tags.none = tags.none'), '');
  assert.equal(ids('tags.none != 1'), '');
  assert.equal(ids('NOT tags.none = 1'), '');
  assert.equal(ids("tags.none = 1 OR deviceId = 's1'"), '1');
  assert.equal(ids('tags.none = 1 AND false'), '');
  assert.equal(ids('NOT (tags.none = 1 AND false)'), '12345');
});

test('properties that every object inherits are not there', () => {
  const { ids } = open();
  for (const path of ['tags.constructor', 'tags.__proto__', "tags['toString']", 'tags.site.length']) {
    assert.equal(ids(`is_defined(${path})`), '', path);
  }
});

test('projections name the columns, and leave out what is not defined', () => {
  const { queries } = open();
  const page = queries.run({
    query:
      'SELECT deviceId, tags.floor AS f, tags[\'a b\'][1].x, properties.reported.load as "the load" FROM devices',
  });
  assert.equal(page.type, 'raw');
  assert.deepEqual(page.items, [
    { deviceId: 's1', f: 1, 'the load': 5 },
    { deviceId: 's2', f: 2, 'the load': 7.5 },
    { deviceId: 's3', f: null },
    { deviceId: 's4', x: true },
    { deviceId: 's5', 'the load': -1 },
  ]);
});

test('aggregates count and compute over all devices or over groups', () => {
  const { rows } = open();
  assert.deepEqual(rows('SELECT COUNT() AS n FROM devices'), [{ n: 5 }]);
  assert.deepEqual(rows("SELECT count(*) FROM devices WHERE tags.site = 'Berlin'"), [{ $1: 3 }]);
  assert.deepEqual(rows("SELECT COUNT() AS n FROM devices WHERE deviceId = 'none'"), [{ n: 0 }]);
  assert.deepEqual(rows('SELECT tags.site AS site, COUNT() AS n FROM devices GROUP BY tags.site'), [
    { site: 'Aachen', n: 1 },
    { site: 'Berlin', n: 3 },
    { n: 1 },
  ]);
  const load = 'properties.reported.load';
  assert.deepEqual(
    rows(
      `SELECT SUM(${load}) AS sum, AVG(${load}) AS avg, MIN(${load}) AS min, MAX(${load}) AS max, COUNT(${load}) AS n FROM devices`,
    ),
    [{ sum: 11.5, avg: 11.5 / 3, min: -1, max: 7.5, n: 3 }],
  );
  assert.deepEqual(
    rows('SELECT status, tags.site, MAX(tags.floor) AS top FROM devices GROUP BY tags.site, status'),
    [
      { status: 'enabled', site: 'Aachen', top: 1 },
      { status: 'enabled', site: 'Berlin', top: 2 },
      { status: 'disabled', site: 'Berlin' },
      { status: 'enabled' },
    ],
  );
});

test('pages follow each other without repeating or missing a device while others come and go', () => {
  const devices = Array.from({ length: 250 }, (_, index) => ({
    deviceId: `d${String(index).padStart(3, '0')}`,
    n: index,
  }));
  const { queries } = open(devices);
  const query = 'SELECT * FROM devices WHERE n != 7';
  const seen: string[] = [];
  let continuation: string | undefined;
  let pages = 0;
  do {
    const page = queries.run({ query, continuation, maxItems: 60 });
    seen.push(...page.items.map((item) => String(item.deviceId)));
    continuation = page.continuation;
    pages += 1;
    if (pages === 1) devices.splice(59, 1);
    if (pages === 2) devices.push({ deviceId: 'c', n: 0 }, { deviceId: 'z', n: 0 });
  } while (continuation !== undefined);
  assert.equal(pages, 5);
  assert.equal(new Set(seen).size, seen.length);
  assert.equal(seen.length, 250);
  assert.ok(seen.includes('z') && !seen.includes('c') && !seen.includes('d007'));
});

test('a last page that is exactly full has no continuation, and groups are paged too', () => {
  const { queries } = open();
  assert.equal(queries.run({ query: 'SELECT * FROM devices', maxItems: 5 }).continuation, undefined);
  const query = 'SELECT deviceId, COUNT() AS n FROM devices GROUP BY deviceId';
  const first = queries.run({ query, maxItems: 3 });
  const second = queries.run({ query, maxItems: 3, continuation: first.continuation });
  assert.deepEqual(
    [...first.items, ...second.items].map((row) => row.deviceId),
    ['s1', 's2', 's3', 's4', 's5'],
  );
  assert.equal(second.continuation, undefined);
});

test('TOP limits the whole result, not the page', () => {
  const { queries, rows } = open();
  const query = 'SELECT TOP 3 * FROM devices';
  const first = queries.run({ query, maxItems: 2 });
  const second = queries.run({ query, maxItems: 2, continuation: first.continuation });
  assert.deepEqual(
    [...first.items, ...second.items].map((item) => item.deviceId),
    ['s1', 's2', 's3'],
  );
  assert.equal(second.continuation, undefined);
  assert.equal(rows('SELECT TOP 2 deviceId, COUNT() AS n FROM devices GROUP BY deviceId').length, 2);
  refused('SELECT TOP 0 * FROM devices', /TOP takes a whole number/);
});

test('a continuation token of another query, or a made-up one, is refused', () => {
  const { queries } = open();
  const query = 'SELECT * FROM devices';
  const { continuation } = queries.run({ query, maxItems: 1 });
  const invalid = { code: 'ArgumentInvalid', message: /continuation token/ };
  assert.throws(() => queries.run({ query: 'SELECT deviceId FROM devices', continuation }), invalid);
  for (const token of ['x', 'e30', 'x'.repeat(2000), Buffer.from('[1,2,3]').toString('base64url')]) {
    assert.throws(() => queries.run({ query, continuation: token }), invalid, token);
  }
  assert.equal(queries.run({ query, continuation: '' }).items.length, 5);
});

test('a page has 1 to 1000 items; more are asked for in vain', () => {
  const devices = Array.from({ length: 1001 }, (_, index) => ({ deviceId: `d${index}` }));
  const { queries } = open(devices);
  const query = 'SELECT * FROM devices';
  assert.equal(queries.run({ query }).items.length, 100);
  assert.equal(queries.run({ query, maxItems: 5000 }).items.length, 1000);
  for (const maxItems of [0, -1, 1.5, Number.NaN]) {
    assert.throws(() => queries.run({ query, maxItems }), { code: 'ArgumentInvalid' });
  }
});

test('what is given away cannot change a twin', () => {
  const { queries } = open();
  const [station] = queries.run({ query: 'SELECT tags FROM devices' }).items;
  assert.ok(station !== undefined);
  Object.assign(station.tags as JsonObject, { site: 'changed' });
  assert.deepEqual(queries.run({ query: 'SELECT tags.site FROM devices' }).items[0], { site: 'Aachen' });
});

test('other sources are named as not implemented', () => {
  for (const source of ['devices.jobs', 'devices.modules', 'DEVICES.JOBS']) {
    refused(`SELECT * FROM ${source}`, /not implemented by this hub. Query FROM devices/, 'NotImplemented');
  }
});

test('a query that is not understood is refused with its position', () => {
  const cases: [string, RegExp][] = [
    ['', /character 1: SELECT must come here, not the end/],
    ['DELETE FROM devices', /character 1: SELECT must come here, not DELETE/],
    ['SELECT FROM devices', /FROM must come here/],
    ['SELECT * FROM', /character 14: a property must come here, not the end/],
    ['SELECT * FROM twins', /there is no twins to query/],
    ['SELECT * FROM devices WHERE', /character 28/],
    ['SELECT * FROM devices WHERE a =', /a property must come here/],
    ['SELECT * FROM devices WHERE a = 1 b', /character 35: b does not belong there/],
    ['SELECT * FROM devices WHERE (a = 1', /\) must come here/],
    ['SELECT * FROM devices WHERE a. = 1', /a name must follow the dot/],
    ['SELECT * FROM devices WHERE a[b] = 1', /a key in quotes or an index/],
    ["SELECT * FROM devices WHERE a = 'open", /character 33: "'open" does not belong there/],
    ['SELECT * FROM devices WHERE a ~ 1', /character 31: "~ 1" does not belong/],
    ['SELECT * FROM devices WHERE a IN 5', /\[ must come here/],
    ['SELECT * FROM devices WHERE a IN [b]', /a value must come here, not b/],
    ['SELECT * FROM devices WHERE length(a) = 1', /there is no function length/],
    ['SELECT * FROM devices WHERE is_defined()', /is_defined takes 1 operand/],
    ['SELECT * FROM devices WHERE startswith(a)', /takes 2 operand/],
    ['SELECT * FROM devices WHERE constructor(a)', /there is no function constructor/],
    ['SELECT * FROM devices ORDER BY a', /ORDER does not belong there/],
    ['SELECT * FROM devices GROUP BY a', /SELECT \* cannot be grouped/],
    ['SELECT a, COUNT() FROM devices', /a must stand in GROUP BY/],
    ['SELECT a FROM devices GROUP BY b', /a must stand in GROUP BY/],
    ['SELECT SUM() FROM devices', /SUM needs a property/],
    ['SELECT MAX(*) FROM devices', /MAX takes a property/],
    ['SELECT a AS FROM devices', /FROM must come here|a name must follow AS/],
    ['SELECT a AS 5 FROM devices', /a name must follow AS/],
  ];
  for (const [query, message] of cases) refused(query, message);
});

test('length and depth of a query are limited, the length of a chain is not', () => {
  const { ids } = open();
  refused(`SELECT * FROM devices WHERE a = '${'x'.repeat(8192)}'`, /longer than 8192/);
  const open20 = '('.repeat(20);
  assert.equal(ids(`${open20}true${')'.repeat(20)}`), '12345');
  refused(`SELECT * FROM devices WHERE ${'('.repeat(4000)}`, /nested more than 32 deep/);
  refused(`SELECT * FROM devices WHERE ${'NOT '.repeat(2000)}a`, /nested more than 32 deep/);
  refused(`SELECT * FROM devices WHERE a IN ${'['.repeat(4000)}`, /nested more than 32 deep/);
  refused(`SELECT * FROM devices WHERE ${'is_defined('.repeat(700)}`, /nested more than 32 deep/);
  assert.equal(ids(`false${' OR true'.repeat(1000)}`), '12345');
});

test('strings may hold quotes and escapes', () => {
  const { rows } = open([{ deviceId: 'd', text: 'it\'s "ü" \n\\' }]);
  assert.equal(rows(String.raw`SELECT * FROM devices WHERE text = 'it\'s "\u00fc" \n\\'`).length, 1);
});

test('20,000 damaged queries are answered or refused, never crash', () => {
  const { queries } = open();
  const seeds = [
    "SELECT deviceId, COUNT() AS n FROM devices WHERE tags.site IN ['Berlin', 'x'] AND NOT is_defined(a['b c'][0]) GROUP BY deviceId",
    "SELECT TOP 3 * FROM devices WHERE (startswith(tags.site, 'B') OR a.b != -1.5e3) AND c = null",
  ];
  let state = 12345;
  const random = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const pieces = [
    '(',
    ')',
    '[',
    ']',
    ',',
    '.',
    "'",
    '"',
    ' ',
    '\\',
    '*',
    'NOT ',
    'IN ',
    '=',
    '\u0000',
    '5',
    'AS ',
  ];
  let answered = 0;
  for (let round = 0; round < 20_000; round += 1) {
    let query = seeds[round % 2] ?? '';
    for (let change = 0; change <= random(4); change += 1) {
      const at = random(query.length);
      query = query.slice(0, at) + (pieces[random(pieces.length)] ?? '') + query.slice(at + random(3));
    }
    try {
      queries.run({ query });
      answered += 1;
    } catch (error) {
      const { code } = error as { code?: string };
      assert.ok(code === 'ArgumentInvalid' || code === 'NotImplemented', `${query}: ${error}`);
    }
  }
  assert.ok(answered > 100 && answered < 19_000, String(answered));
});
