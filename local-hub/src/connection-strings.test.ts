import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventHubConnectionString, hubHostName, serviceConnectionString } from './connection-strings.ts';

const policy = { name: 'service', primaryKey: 'a2V5', secondaryKey: '', rights: [] };
const eventHubName = 'iothub-ehub';

test('a port of our own is part of the name, and the standard ports are left away', () => {
  assert.equal(hubHostName('localhost', [18_443, 18_444]), 'localhost:18443');
  assert.equal(hubHostName('hub.test', [8_883, 5_671, 443]), 'hub.test');
});

test('Event Hubs clients get TLS with or without a port, or the plain port', () => {
  const rest = 'SharedAccessKeyName=service;SharedAccessKey=a2V5;EntityPath=iothub-ehub';
  const common = { eventHubName, policy };
  assert.equal(
    eventHubConnectionString({ ...common, host: 'localhost', ports: [18_443] }),
    `Endpoint=sb://localhost:18443;${rest}`,
  );
  assert.equal(
    eventHubConnectionString({ ...common, host: 'localhost', ports: [443, 5_671] }),
    `Endpoint=sb://localhost;${rest}`,
  );
  assert.equal(
    eventHubConnectionString({ ...common, plainPort: 5_672 }),
    `Endpoint=sb://localhost:5672;${rest};UseDevelopmentEmulator=true`,
  );
  assert.equal(
    serviceConnectionString('localhost:1', policy),
    'HostName=localhost:1;SharedAccessKeyName=service;SharedAccessKey=a2V5',
  );
});
