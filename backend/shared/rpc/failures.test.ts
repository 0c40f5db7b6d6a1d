import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import { DeviceService } from '@iotdh/proto/fleet/v1';
import { KeyVaultError } from '@iotdh/trust/author';
import { MongoNetworkError } from 'mongodb';
import { HubUnavailableError } from '../identities.ts';
import { createFailures } from './failures.ts';

const cases: [title: string, thrown: unknown, code: Code][] = [
  ['a database that is away', new MongoNetworkError('no route to db.internal'), Code.Unavailable],
  ['a hub that is away', new HubUnavailableError('no route to hub.internal'), Code.Unavailable],
  ['a vault that is away', new KeyVaultError('vault.internal is not reached', true), Code.Unavailable],
  ['a key that may not sign', new KeyVaultError('vault.internal answered 403', false), Code.Internal],
  ['a defect', new TypeError('x.internal is not a function'), Code.Internal],
];

test('a caller learns whether to try again, and the log the rest', async () => {
  for (const [title, thrown, code] of cases) {
    const told: unknown[] = [];
    const failures = createFailures({
      refusalOf: () => null,
      onFailure: (method, error) => told.push(method, error),
    });
    const transport = createRouterTransport(
      ({ service }) => {
        service(DeviceService, {
          getDevice() {
            throw thrown;
          },
        });
      },
      { router: { interceptors: [failures] } },
    );
    await assert.rejects(createClient(DeviceService, transport).getDevice({ deviceId: 'w1' }), (error) => {
      assert.ok(error instanceof ConnectError, title);
      assert.equal(error.code, code, title);
      assert.doesNotMatch(error.message, /internal[. ]/, title);
      return true;
    });
    assert.deepEqual(told, ['iotdh.fleet.v1.DeviceService/GetDevice', thrown], title);
  }
});
