/** Lines of logs that come twice, late, or with what could steer a terminal. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { LogEntrySchema, LogLevel } from '@iotdh/proto/agent/v1';
import { LogCollectionState, LogService } from '@iotdh/proto/fleet/v1';
import { startFakeFleet } from '../testing/fake-fleet.ts';

const entry = (second: number, message: string) =>
  create(LogEntrySchema, {
    time: timestampFromDate(new Date(Date.UTC(2026, 10, 23, 11, 59, second))),
    ...{ level: LogLevel.INFO, component: 'agent', message },
  });

test('following shows what was there to the limit, then each line once, also one that comes late', async (t) => {
  const old = [entry(1, 'first'), entry(2, 'second'), entry(3, 'third')];
  const looks = [old, [...old, entry(4, 'fourth')], [...old, entry(2, 'late'), entry(4, 'fourth')]];
  const iotdh = await startFakeFleet(t, (router) =>
    router.service(LogService, {
      listLogs() {
        const entries = looks.shift();
        // Ends the command: nothing that trying again could heal.
        if (entries === undefined) throw new ConnectError('enough', Code.PermissionDenied);
        return { entries: entries.toReversed() };
      },
    }),
  );
  const ran = await iotdh('logs', 'ws-1', '--follow', '--limit', '2', '-o', 'jsonl');
  assert.equal(ran.code, 3);
  const messages = ran.out
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { message: string }).message);
  assert.deepEqual(messages, ['second', 'third', 'fourth', 'late']);
});

test('a collection is asked for, awaited and shown, and only its lines', async (t) => {
  const states = [LogCollectionState.REQUESTED, LogCollectionState.COMPLETE];
  let asked = '';
  const iotdh = await startFakeFleet(t, (router) =>
    router.service(LogService, {
      collectLogs({ request }) {
        asked = request?.collectionId ?? '';
        return {};
      },
      getLogCollection: () => ({ collection: { state: states.shift() ?? LogCollectionState.UNSPECIFIED } }),
      listLogs({ collectionId }) {
        assert.equal(collectionId, asked);
        return { entries: [entry(1, 'kept'), entry(1, 'kept')] };
      },
    }),
  );
  const ran = await iotdh('logs', 'ws-1', '--collect', '-o', 'jsonl');
  assert.equal(ran.code, 0, ran.notes);
  assert.equal(ran.out.trim().split('\n').length, 1);
  assert.match(ran.notes, new RegExp(`collection ${asked}`));
});

test('a line cannot steer the terminal of who reads it', async (t) => {
  const iotdh = await startFakeFleet(t, (router) =>
    router.service(LogService, {
      listLogs: () => ({ entries: [entry(1, 'a\u001b[2J\u001b]0;title\u0007\nb\u009b1A')] }),
    }),
  );
  const { out } = await iotdh('logs', 'ws-1', '-o', 'table');
  assert.equal(out, '2026-11-23T11:59:01.000Z INFO  agent  a [2J ]0;title b 1A\n');
});
