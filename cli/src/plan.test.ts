import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { Carrier } from '@iotdh/proto/bus/v1';
import {
  AssignmentService,
  AssignmentState,
  HubSku,
  PackService,
  PackState,
  PlanBound,
  PlanObjects,
  PlanService,
  type PlanUpdateRequest,
  QuotaService,
} from '@iotdh/proto/fleet/v1';
import { durationText } from './quantities.ts';
import { startFakeFleet } from './testing/fake-fleet.ts';

const packId = '7d1f3a52-9a55-4a4e-8f0a-6f0f3f6b2a10';
const time = timestampFromDate(new Date('2026-11-23T11:59:00Z'));
const pack = { packId, manifest: { name: 'carto', version: '8.2.1' }, state: PackState.PUBLISHED };
const traffic = {
  c2dMessages: 12_345n,
  c2dUnits: 180_000n,
  d2cMessages: 900n,
  d2cUnits: 901n,
  twinUnits: 4n,
};

/** What devices take that choose HTTPS. */
const overHttps = {
  ...{
    httpsDevices: 2n,
    devicesWithoutHttps: 0n,
    traffic: { ...traffic, c2dMessages: 10n },
    lossyTraffic: traffic,
  },
  ...{ duration: { seconds: 2n }, bound: PlanBound.RATE },
};

/** A fleet whose every plan by the bus takes so long, for so many bytes to two devices; `auto`: what else they choose. */
function fleet(
  t: Parameters<typeof startFakeFleet>[0],
  seconds: number,
  objectBytes = 12_000_000n,
  auto: Partial<typeof overHttps> = {},
) {
  const asked: PlanUpdateRequest[] = [];
  const assigned: string[][] = [];
  const iotdh = startFakeFleet(t, (router) =>
    router
      .service(PackService, { getPack: () => ({ pack }), listPacks: () => ({ packs: [pack] }) })
      .service(PlanService, {
        planUpdate(request) {
          asked.push(request);
          return {
            plan: {
              ...{ packId, devices: 2n, hub: { sku: HubSku.S1, units: 1 }, frameUnitsLeft: 200_000n },
              shares: { ratePercent: 80, dailyPercent: 50 },
              resendPercent: request.resendPercent,
              groups: [{ devices: 2n, wholeObjects: 3n, wholeBytes: 90_000_000n, frames: 1_500n }],
              carriers: [
                {
                  carrier: Carrier.BUS,
                  objects: PlanObjects.CHEAPEST,
                  objectBytes,
                  traffic,
                  lossyTraffic: { ...traffic, c2dMessages: 13_000n },
                  duration: { seconds: BigInt(seconds) },
                  bound: PlanBound.DAILY_QUOTA,
                },
                {
                  carrier: Carrier.HTTPS,
                  objects: PlanObjects.CHEAPEST,
                  objectBytes,
                  traffic: { ...traffic, c2dMessages: 2n, c2dUnits: 4n },
                  lossyTraffic: { ...traffic, c2dMessages: 2n },
                  duration: { seconds: 2n },
                  bound: PlanBound.RATE,
                },
              ].filter(({ carrier }) => request.carriers.length === 0 || request.carriers.includes(carrier)),
              auto: {
                ...{ objectBytes, traffic, lossyTraffic: traffic, duration: { seconds: BigInt(seconds) } },
                bound: PlanBound.DAILY_QUOTA,
                ...auto,
              },
              choices: [{ hub: { sku: HubSku.S2, units: 3 }, duration: { seconds: 7_200n } }],
            },
          };
        },
      })
      .service(AssignmentService, {
        createAssignments({ deviceIds }) {
          assigned.push(deviceIds);
          return {
            assignments: deviceIds.map((deviceId) => ({
              ...{ assignmentId: packId, deviceId, packId, state: AssignmentState.WAITING },
              ...{ stateTime: time, createTime: time, creator: 'me' },
            })),
          };
        },
      }),
  );
  return { asked, assigned, iotdh };
}

test('a plan says what it takes, how long, and which hub would do', async (t) => {
  const auto = { ...overHttps, devicesWithoutHttps: 1n };
  const { asked, iotdh } = fleet(t, 12 * 86_400, 180_000_000n, auto);
  const run = await iotdh;
  const ran = await run('plan', 'carto', '--all', '--within', '7d', '--resend', '5', '-o', 'table');
  assert.equal(ran.code, 0, ran.notes);
  assert.match(ran.out, /carto@8\.2\.1 to 2 devices by S1 × 1/);
  assert.match(ran.out, /bus +cheapest +172 MiB +12,345–13,000 +180,000 +900 +901 +4 +12 d +daily quota/);
  assert.match(ran.out, /auto +cheapest +172 MiB +10–12,345/);
  assert.match(ran.out, /1 of these devices would take it over HTTPS, and take it by the bus/);
  assert.match(ran.out, /S2 × 3 {2}2\.0 h/);
  assert.equal(asked[0]?.resendPercent, 5);
  const json = await run('plan', 'carto', 'ws-1', 'ws-2', '--sku', 'S2', '--units', '2', '--carrier', 'bus');
  assert.equal((JSON.parse(json.out) as { packId: string }).packId, packId);
  assert.deepEqual(asked[1]?.devices?.deviceIds, ['ws-1', 'ws-2']);
  assert.deepEqual([asked[1]?.hub?.sku, asked[1]?.hub?.units, asked[1]?.carriers], [2, 2, [Carrier.BUS]]);
});

test('for which devices has to be said, and nothing that contradicts it', async (t) => {
  const run = await fleet(t, 1).iotdh;
  for (const args of [[], ['--all', 'ws-1'], ['ws-1', '--units', '2'], ['ws-1', '--within', 'soon']]) {
    assert.equal((await run('plan', 'carto', ...args)).code, 2, args.join(' '));
  }
});

test('an assignment that occupies the hub for long is not made without a yes', async (t) => {
  const { assigned, iotdh } = fleet(t, 3 * 86_400);
  const run = await iotdh;
  const refused = await run('assign', 'carto', 'ws-1', 'ws-2');
  assert.equal(refused.code, 2);
  assert.match(refused.notes, /Plan: carto@8\.2\.1 to 2 devices by the bus: 11\.4 MiB, 12,345 messages/);
  assert.match(refused.notes, /Say --yes/);
  assert.equal((await run('assign', 'carto', 'ws-1', 'ws-2', '--yes')).code, 0);
  assert.deepEqual(assigned, [['ws-1', 'ws-2']]);
});

test('what devices take over HTTPS by themselves is not asked about, unless it is held to the bus', async (t) => {
  const { assigned, iotdh } = fleet(t, 3 * 86_400, 180_000_000n, overHttps);
  const run = await iotdh;
  const ran = await run('assign', 'carto', 'ws-1', 'ws-2', '-o', 'table');
  assert.equal(ran.code, 0, ran.notes);
  assert.match(ran.notes, /Plan: .* over HTTPS: 172 MiB, 10 messages/);
  assert.equal((await run('assign', 'carto', 'ws-1', 'ws-2', '--carrier', 'bus')).code, 2);
  assert.equal(assigned.length, 1);
  const some = { ...overHttps, httpsDevices: 1n, devicesWithoutHttps: 1n };
  const mixed = await (await fleet(t, 1, 180_000_000n, some).iotdh)(
    'assign',
    'carto',
    'a',
    'b',
    '-o',
    'table',
  );
  assert.match(mixed.notes, /to 2 devices \(1 over HTTPS, 1 by the bus\): .*\n.*1 of these devices/);
});

test('a small one is made, and a person sees its plan', async (t) => {
  const run = await fleet(t, 40, 1_000_000n).iotdh;
  const ran = await run('assign', 'carto', 'ws-1', '-o', 'table');
  assert.equal(ran.code, 0);
  assert.match(ran.notes, /Plan: .*180,000 units, 40 s/);
});

test('the quota is shown, set and reset', async (t) => {
  const given: unknown[] = [];
  const quota = {
    ...{ hub: { sku: HubSku.S1, units: 1 }, shares: { ratePercent: 80, dailyPercent: 50 } },
    ...{ resetTime: time, time, commands: {}, telemetry: {}, unitsPerDay: 400_000n, messagesPerMinute: 80n },
    ...{ frames: { messages: 10n, units: 150n }, frameUnitsPerDay: 200_000n, frameUnitsLeft: 199_850n },
    leases: [{ replicaId: 'r1', messages: 2n, frameUnits: 30n, time, waitingFrames: 7n }],
  };
  const run = await startFakeFleet(t, (router) =>
    router.service(QuotaService, {
      getQuota: () => ({ quota }),
      setQuotaShares({ shares }) {
        given.push(shares?.ratePercent);
        return { quota };
      },
    }),
  );
  const shown = await run('quota', '-o', 'table');
  assert.equal(shown.code, 0, shown.notes);
  assert.match(shown.out, /Frames +150 units in 10 messages; 199,850 of 200,000 units left/);
  assert.match(shown.out, /Replicas +r1, 2 messages and 30 units set aside, 0 commands and 7 frames wait/);
  assert.equal((await run('quota', 'set', '--rate', '95', '--day', '80')).code, 0);
  assert.equal((await run('quota', 'reset')).code, 0);
  assert.deepEqual(given, [95, undefined]);
  assert.equal((await run('quota', 'set', '--rate', '0', '--day', '80')).code, 2);
});

test('a length of time is told in the unit that fits it', () => {
  const texts = [45_000, 119_000, 25 * 60_000, 3.44 * 3_600_000, 12.4 * 86_400_000, 128.7 * 86_400_000];
  assert.deepEqual(texts.map(durationText), ['45 s', '119 s', '25 min', '3.4 h', '12 d', '129 d']);
});
