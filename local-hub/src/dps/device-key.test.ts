import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deriveDeviceKey } from './device-key.ts';

test('the key of a device is what the Azure documentation computes for it', () => {
  // "How to provision legacy devices using symmetric keys", step "Derive a device key".
  const groupKey = '8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==';
  assert.equal(
    deriveDeviceKey(groupKey, 'sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6'),
    'Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=',
  );
});
