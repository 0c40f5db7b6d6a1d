import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { UpdateOutcome } from '@iotdh/proto/bus/v1';
import {
  type Assignment,
  AssignmentSchema,
  AssignmentService,
  AssignmentState,
  Connectivity,
  DeviceSchema,
  DeviceService,
  EventService,
  PackSchema,
  PackService,
  PackState,
  ResourceConflictSchema,
  ResourceKind,
  ResourceNotFoundSchema,
} from '@iotdh/proto/fleet/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
import { runHere, startFakeFleet } from './testing/fake-fleet.ts';

const time = timestampFromDate(new Date('2026-11-23T11:59:00Z'));
const device = (deviceId: string) =>
  create(DeviceSchema, {
    deviceId,
    connectivity: Connectivity.CONNECTED,
    createTime: time,
    lastSeenTime: time,
    revision: 1n,
  });
const assignmentId = '0b0e7d5e-2f0c-4a57-9d0c-1c7f9f4c9d11';
const packId = '7d1f3a52-9a55-4a4e-8f0a-6f0f3f6b2a10';

function assignment(state: AssignmentState, outcome?: UpdateOutcome): Assignment {
  return create(AssignmentSchema, {
    ...{ assignmentId, packId, deviceId: 'ws-1', state, stateTime: time, createTime: time, creator: 'me' },
    ...(outcome !== undefined && { result: { outcome, kind: UpdateKind.PATCH } }),
  });
}

test('a list is JSON for a program, and a table, names or YAML when asked', async (t) => {
  const iotdh = await startFakeFleet(t, (router) =>
    router.service(DeviceService, {
      listDevices: () => ({ devices: [device('ws-1'), device('ws-2')], totalSize: 2n }),
    }),
  );
  const json = await iotdh('device', 'list');
  assert.equal(json.code, 0);
  assert.deepEqual(
    (JSON.parse(json.out) as { deviceId: string }[]).map(({ deviceId }) => deviceId),
    ['ws-1', 'ws-2'],
  );
  assert.equal((await iotdh('device', 'list', '-o', 'name')).out, 'ws-1\nws-2\n');
  assert.equal((await iotdh('device', 'list', '-o', 'jsonl')).out.trim().split('\n').length, 2);
  assert.match((await iotdh('device', 'list', '-o', 'yaml')).out, /^- deviceId: ws-1$/m);
  const table = (await iotdh('device', 'list', '-o', 'table')).out.split('\n');
  assert.match(table[0] ?? '', /^DEVICE +NAME +SITE +LINK +STATE/);
  assert.match(table[1] ?? '', /^ws-1 +- +- +connected +- +60 s ago/);
});

test('pages are read to the limit, and what is cut is said', async (t) => {
  const sizes: number[] = [];
  const iotdh = await startFakeFleet(t, (router) =>
    router.service(DeviceService, {
      listDevices({ pageSize, pageToken }) {
        sizes.push(pageSize);
        return {
          devices: [device(`ws-${pageToken || '0'}`)],
          nextPageToken: String(Number(pageToken || 0) + 1),
        };
      },
    }),
  );
  const ran = await iotdh('device', 'list', '--limit', '3', '-o', 'name');
  assert.equal(ran.out, 'ws-0\nws-1\nws-2\n');
  assert.match(ran.notes, /more than 3; --limit/);
  assert.deepEqual(sizes, [3, 2, 1]);
});

test('the token goes with every call, and its lack exits with 3', async (t) => {
  const iotdh = await startFakeFleet(t, (router) =>
    router.service(DeviceService, {
      getDevice(_request, { requestHeader }) {
        assert.equal(requestHeader.get('authorization'), 'Bearer secret');
        throw new ConnectError('the bearer token is unknown', Code.Unauthenticated);
      },
    }),
  );
  const ran = await iotdh('device', 'get', 'ws-1');
  assert.equal(ran.code, 3);
  assert.match(ran.notes, /error: the bearer token is unknown\n {2}Give a token/);
  assert.ok(!ran.notes.includes('secret'));
});

test('what does not exist exits with 4, and what is in the way with 1, each with what to do', async (t) => {
  const iotdh = await startFakeFleet(t, (router) => {
    router.service(DeviceService, {
      getDevice({ deviceId: id }) {
        throw new ConnectError('no', Code.NotFound, undefined, [
          { desc: ResourceNotFoundSchema, value: { kind: ResourceKind.DEVICE, id } },
        ]);
      },
      registerDevice({ deviceId: id }) {
        throw new ConnectError('taken', Code.AlreadyExists, undefined, [
          { desc: ResourceConflictSchema, value: { kind: ResourceKind.DEVICE, id } },
        ]);
      },
    });
  });
  const missing = await iotdh('device', 'get', 'ws-9');
  assert.deepEqual([missing.code, missing.out], [4, '']);
  assert.match(missing.notes, /there is no device ws-9\n {2}See what there is with: iotdh device list/);
  const taken = await iotdh('device', 'register', 'ws-9');
  assert.equal(taken.code, 1);
  assert.match(taken.notes, /device ws-9 is in the way: taken\n {2}See it with: iotdh device get ws-9/);
});

test('a fleet that is not there exits with 5, and one that is not named with 2', async () => {
  const away = await runHere(['device', 'list'], { IOTDH_API_URL: 'http://127.0.0.1:59' });
  assert.equal(away.code, 5);
  assert.match(away.notes, /the fleet is not reached/);
  const unnamed = await runHere(['device', 'list'], {});
  assert.equal(unnamed.code, 2);
  assert.match(unnamed.notes, /iotdh dev up/);
  const clear = await runHere(['device', 'list'], { IOTDH_API_URL: 'http://fleet.example.com' });
  assert.match(clear.notes, /would send the token in the clear/);
});

test('a wrong command line exits with 2 and says what was perhaps meant', async () => {
  const command = await runHere(['devise'], {});
  assert.equal(command.code, 2);
  assert.match(command.notes, /Did you mean device\?/);
  const option = await runHere(['device', 'list', '--lmit', '3'], {});
  assert.equal(option.code, 2);
  assert.match(option.notes, /Did you mean --limit\?/);
});

test('a pack is named by its name, its version or its id', async (t) => {
  const pack = create(PackSchema, {
    packId,
    manifest: { name: 'carto', version: '8.2', kind: UpdateKind.PATCH, size: 1, digest: new Uint8Array(32) },
    title: 'Carto',
    state: PackState.PUBLISHED,
    createTime: time,
  });
  const iotdh = await startFakeFleet(t, (router) => {
    router.service(PackService, {
      listPacks: ({ name }) => ({ packs: name === 'carto' ? [pack] : [] }),
      getPack: () => ({ pack }),
    });
    router.service(AssignmentService, {
      createAssignments({ packId: assigned, deviceIds, requestId }) {
        assert.equal(assigned, packId);
        assert.match(requestId, /^[0-9a-f-]{36}$/);
        return { assignments: deviceIds.map(() => assignment(AssignmentState.WAITING)) };
      },
    });
  });
  for (const word of ['carto', 'carto@8.2', packId]) {
    assert.equal(
      (await iotdh('assign', word, 'ws-1', 'ws-2', '-o', 'name')).out,
      `${assignmentId}\n`.repeat(2),
    );
  }
  const missing = await iotdh('assign', 'carto@9', 'ws-1');
  assert.equal(missing.code, 4);
  assert.match(missing.notes, /Versions of carto: 8\.2/);
});

for (const [outcome, code] of [
  [UpdateOutcome.APPLIED, 0],
  [UpdateOutcome.TAKEN_BACK, 1],
] as const) {
  test(`watching over a lost stream to the end exits with ${code}, a line of JSON for each change`, async (t) => {
    let streams = 0;
    const cursors: string[] = [];
    const iotdh = await startFakeFleet(t, (router) => {
      router.service(AssignmentService, {
        getAssignment: () => ({ assignment: assignment(AssignmentState.WAITING) }),
      });
      router.service(EventService, {
        async *watch({ afterCursor }) {
          streams += 1;
          cursors.push(afterCursor);
          yield { kind: { case: 'heartbeat', value: { cursor: afterCursor, time } } };
          const value =
            streams === 1
              ? assignment(AssignmentState.IN_TRANSIT)
              : assignment(AssignmentState.ENDED, outcome);
          yield {
            kind: {
              case: 'event',
              value: { cursor: `c${streams}`, time, kind: { case: 'assignment', value } },
            },
          };
          if (streams === 1) throw new ConnectError('restarting', Code.Unavailable);
        },
      });
    });
    const ran = await iotdh('watch', assignmentId, '--exit-status');
    assert.equal(ran.code, code, ran.notes);
    const states = ran.out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { state: string }).state);
    assert.deepEqual([states[0], states.at(-1)], ['ASSIGNMENT_STATE_WAITING', 'ASSIGNMENT_STATE_ENDED']);
    assert.ok(states.includes('ASSIGNMENT_STATE_IN_TRANSIT'));
    assert.deepEqual(cursors, ['', 'c1']);
    assert.match(ran.notes, /not reached; trying again[\s\S]*reached again/);
  });
}

test('watching gives up after its time with 6, and says that the update goes on', async (t) => {
  const iotdh = await startFakeFleet(t, (router) => {
    router.service(AssignmentService, {
      getAssignment: () => ({ assignment: assignment(AssignmentState.WAITING) }),
    });
    router.service(EventService, {
      async *watch(_request, { signal }) {
        yield { kind: { case: 'heartbeat', value: { cursor: 'c', time } } };
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      },
    });
  });
  const ran = await iotdh('watch', assignmentId, '--timeout', '200ms');
  assert.equal(ran.code, 6);
  assert.match(ran.notes, /has not ended within 200ms\n {2}It goes on/);
});

test('a token for which there is no file is not asked for, and what was asked for in vain leaves none', async (t) => {
  let asked = 0;
  const iotdh = await startFakeFleet(t, (router) =>
    router.service(DeviceService, {
      registerDevice({ deviceId }) {
        asked += 1;
        if (deviceId === 'ws-9') throw new ConnectError('not now', Code.PermissionDenied);
        return { device: device(deviceId), enrolmentToken: 'once-only' };
      },
      issueEnrolmentToken: () => ({ enrolmentToken: 'once-again' }),
    }),
  );
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-token-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'token');
  assert.equal((await iotdh('device', 'register', 'ws-9', '--save-token', path)).code, 3);
  const ran = await iotdh('device', 'register', 'ws-1', '--save-token', path);
  assert.equal(ran.code, 0, ran.notes);
  assert.equal(readFileSync(path, 'utf8'), 'once-only\n');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.ok(!ran.out.includes('once-only'));
  const again = await iotdh('device', 'register', 'ws-2', '--save-token', path);
  assert.equal(again.code, 1);
  assert.match(again.notes, /EEXIST/);
  assert.equal(asked, 2);
  const another = await iotdh('device', 'token', 'ws-1', '--save-token', `${path}-2`);
  assert.equal(another.code, 0, another.notes);
  assert.equal(readFileSync(`${path}-2`, 'utf8'), 'once-again\n');
  assert.ok(!another.out.includes('once-again'));
});

test('a time to apply that would be in the past by mistake is refused', async (t) => {
  const iotdh = await startFakeFleet(t, (router) =>
    router.service(PackService, { getPack: () => ({ pack: { packId } }) }),
  );
  const ran = await iotdh('assign', packId, 'ws-1', '--not-before', '2h');
  assert.equal(ran.code, 2);
  assert.match(ran.notes, /write \+2h/);
});
