import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Code } from '@connectrpc/connect';
import { createPretendBroker } from './enrolment/testing/broker.ts';
import { findCredentials } from './find-credentials.ts';
import type { Settings } from './settings/settings.ts';

test('credentials are those of now, and the log says until when, and what to do once they have ended', async (t) => {
  const { state, broker } = await createPretendBroker(t, 'ward-7');
  const dataDir = mkdtempSync(join(tmpdir(), 'iotdh-credentials-'));
  t.after(() => rmSync(dataDir, { recursive: true }));
  const [tokenFile, caFile] = [join(dataDir, 'token'), join(dataDir, 'ca.pem')];
  writeFileSync(tokenFile, 'a-token-of-at-least-thirty-two-characters');
  writeFileSync(caFile, broker.caPem);
  const stopping = new AbortController();
  t.after(() => stopping.abort());
  const renewed = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<string>();
  const said: string[] = [];
  const credentials = findCredentials({
    settings: {
      credentials: { kind: 'enrolment', brokerUrl: broker.brokerUrl, tokenFile, caFile },
      dataDir,
    } as Settings,
    signal: stopping.signal,
    now: () => state.now,
    random: () => 0,
    async sleep(ms) {
      state.now += ms;
      // Others have their turn.
      await new Promise(setImmediate);
    },
    log({ level, message, about }) {
      said.push(`${level}: ${message} ${about?.certificate_until ?? ''}`);
      if (message.includes('has ended')) ended.resolve(message);
    },
    onRenewed() {
      state.behaviour = Code.Unauthenticated;
      state.now += 90 * 86_400_000;
      renewed.resolve();
    },
    onFailure: (error) => ended.reject(error),
  });
  const first = await credentials();
  await renewed.promise;
  const second = await credentials();
  assert.ok(first?.kind === 'x509' && second?.kind === 'x509');
  assert.notEqual(second.key, first.key);
  assert.match(said[0] ?? '', /^info: the device has its identity 20/);
  assert.match(said[1] ?? '', /^info: the certificate of the device is renewed 20/);
  const message = await ended.promise;
  stopping.abort();
  assert.match(message, /^the certificate of the device has ended and is not renewed: Unauthenticated/);
  assert.ok(message.includes(`enrol the device again, with a new token in ${tokenFile};`));
});
