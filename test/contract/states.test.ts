import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventSchema, StateSchema } from '@iotdh/proto/agent/v1';

/** Names by number, without the value that is never sent. */
const valuesOf = (schema: typeof StateSchema | typeof EventSchema) =>
  Object.fromEntries(
    schema.values.filter(({ number }) => number !== 0).map(({ number, name }) => [number, name]),
  );

test('the agent has exactly ten states, with numbers for ever', () => {
  assert.deepEqual(valuesOf(StateSchema), {
    1: 'STATE_BUSY',
    2: 'STATE_READY',
    3: 'STATE_INTRANSIT_PATCH',
    4: 'STATE_READY_WITHPATCH',
    5: 'STATE_WAIT_CONFIRM_PATCH',
    6: 'STATE_APPLYING_PATCH',
    7: 'STATE_INTRANSIT_BASE',
    8: 'STATE_READY_WITHBASE',
    9: 'STATE_WAIT_CONFIRM_BASE',
    10: 'STATE_APPLYING_BASE',
  });
});

test('the agent has exactly eleven events, with numbers for ever', () => {
  assert.deepEqual(valuesOf(EventSchema), {
    1: 'EVENT_SDK_CMDREADY',
    2: 'EVENT_SDK_CMDBUSY',
    3: 'EVENT_CLOUD_CMDUPGRADE',
    4: 'EVENT_TRANSFER_COMPLETE',
    5: 'EVENT_PROMPT_ISSUED',
    6: 'EVENT_SDK_CONFIRMPATCH',
    7: 'EVENT_SDK_CONFIRMBASE',
    8: 'EVENT_INTEGRITY_OK',
    9: 'EVENT_INTEGRITY_FAULT',
    10: 'EVENT_BOOT_FWUPD',
    11: 'EVENT_BOOT_SYS',
  });
});
