import assert from 'node:assert/strict';
import { test } from 'node:test';
import { edgesOf, forbidden } from './import-boundaries.ts';

test('an import of product code in the local hub is refused with the reason', () => {
  const edges = edgesOf('local-hub/src/hub.ts', "import { State } from '@iotdh/proto/agent/v1';\n");
  assert.deepEqual(forbidden(edges), [
    'local-hub/src/hub.ts imports @iotdh/proto/agent/v1: local-hub knows nothing of our payloads: it must stand in for Azure for any product',
  ]);
});

test('a front-end may not reach into another, however the import is written', () => {
  const imports = [
    "import { a } from '../amqp/link.ts';",
    "export * from '../amqp/link.ts';",
    "import '../amqp/link.ts';",
    "const link = await import('../amqp/link.ts');",
    "import type {\n  A,\n  B,\n} from '../amqp/link.ts';",
  ];
  for (const text of imports) {
    assert.equal(forbidden(edgesOf('local-hub/src/mqtt/publish.ts', text)).length, 1, text);
  }
});

test('composition, tests and imports within a folder are free', () => {
  const edges = [
    ...edgesOf('local-hub/src/hub.ts', "import { createMqttFrontEnd } from './mqtt/front-end.ts';"),
    ...edgesOf('local-hub/src/mqtt/publish.ts', "import { topic } from './topic.ts';"),
    ...edgesOf('local-hub/src/mqtt/publish.test.ts', "import { createLocalHub } from '../index.ts';"),
  ];
  assert.deepEqual(forbidden(edges), []);
});

test('the SDK brings nothing but the contract and Connect into a host application', () => {
  const edges = edgesOf(
    'sdk-ts/src/client.ts',
    "import { v4 } from 'uuid';\nimport { create } from '@bufbuild/protobuf';\n",
  );
  assert.equal(forbidden(edges).length, 1);
});
