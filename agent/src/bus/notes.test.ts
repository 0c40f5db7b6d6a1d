import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutPort } from './credentials.ts';
import { redacted } from './notes.ts';

test('keys, tokens and certificates do not get into the log', () => {
  const text = `cannot use HostName=h;DeviceId=d;SharedAccessKey=abc+/=; SharedAccessSignature sr=h&sig=a%2Bb%3D&se=1
    -----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----`;
  const safe = redacted(text);
  for (const secret of ['abc+/=', 'a%2Bb', 'MIIB']) assert.ok(!safe.includes(secret), safe);
  assert.match(safe, /HostName=h;DeviceId=d/);
  assert.equal(redacted('x'.repeat(10_000)).length, 500);
});

test('for WebSocket the host name loses its port and nothing else', () => {
  assert.equal(
    withoutPort('HostName=localhost:8883;DeviceId=a:1;SharedAccessKey=x:2'),
    'HostName=localhost;DeviceId=a:1;SharedAccessKey=x:2',
  );
});
