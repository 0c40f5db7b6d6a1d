import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { createHash, createPrivateKey, verify, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Code } from '@connectrpc/connect';
import { createBlobAccess } from '../connections/blob-access.ts';
import { createManifestTrust } from '../trust/manifest-trust.ts';
import { lifeOf } from './broker-client.ts';
import { certifiedSigner } from './consent-signer.ts';
import { type EnrolFailure, enrol } from './enrol.ts';
import { type Identity, openIdentity } from './identity.ts';
import { keepRenewed, type RenewalFailure } from './renew.ts';
import { createPretendBroker } from './testing/broker.ts';

const dayMs = 86_400_000;
const hourMs = 3_600_000;

/** A device that has just been enrolled, and whose time passes while it waits. */
async function enrolledDevice(t: TestContext) {
  const { state, calls, broker } = await createPretendBroker(t, 'ward-7');
  const parent = mkdtempSync(join(tmpdir(), 'iotdh-renew-'));
  t.after(() => rmSync(parent, { recursive: true }));
  const folder = join(parent, 'identity');
  const tokenFile = join(parent, 'token');
  const identity = openIdentity(folder);
  const known = () => identity.read() ?? assert.fail('the device has no identity');
  const now = () => state.now;
  const sleep = async (ms: number) => {
    state.now += ms;
  };
  async function enrolNow(
    onAttemptFailed: (failure: EnrolFailure) => void = ({ reason }) => assert.fail(reason),
  ): Promise<Identity | null> {
    const { signal } = new AbortController();
    const random = () => 0;
    return enrol({ ...broker, tokenFile, identity, now, sleep, random, signal, onAttemptFailed });
  }
  writeFileSync(tokenFile, 'a-token-of-at-least-thirty-two-characters');
  await enrolNow();

  /** Until it is renewed, or has failed so often. */
  async function renew(random = 0, maxFailures = Number.POSITIVE_INFINITY, time = now) {
    const failures: RenewalFailure[] = [];
    const abort = new AbortController();
    let renewed = 0;
    await keepRenewed({
      ...{ ...broker, identity, now: time, sleep, random: () => random, signal: abort.signal },
      onRenewed() {
        renewed += 1;
        abort.abort();
      },
      onAttemptFailed(failure) {
        failures.push(failure);
        if (failures.length >= maxFailures) abort.abort();
      },
    });
    return { renewed, failures };
  }
  return { state, calls, broker, folder, tokenFile, identity, known, enrolNow, renew };
}

const fingerprintOf = ({ certificatePem }: Identity) => new X509Certificate(certificatePem).fingerprint256;
const isPair = ({ certificatePem, keyPem }: Identity) =>
  new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem));

test('a certificate is renewed in the last third of its life, for a new key, by the one before', async (t) => {
  const { state, calls, known, renew, folder } = await enrolledDevice(t);
  for (const random of [0, 0.99]) {
    const before = known();
    const startMs = state.now;
    assert.deepEqual(await renew(random), { renewed: 1, failures: [] });
    const tookDays = (state.now - startMs) / dayMs;
    assert.ok(tookDays >= 60 && tookDays < 68, `${tookDays} days`);
    assert.equal(random === 0, tookDays < 61, 'devices that were enrolled together do not come together');
    assert.equal(calls.at(-1)?.by, fingerprintOf(before));
    assert.notEqual(known().keyPem, before.keyPem);
    assert.ok(isPair(known()));
    assert.deepEqual(readdirSync(folder), ['identity.json']);
  }
});

test('a device whose clock is years behind renews by how long it has run, restarts and all', async (t) => {
  const { state, folder, renew } = await enrolledDevice(t);
  const builtAtMs = state.now;
  /** An agent that starts now: its clock is at 1970, and it measures what passes from here on. */
  const start = () => {
    const startMs = state.now;
    let keepTime = () => {};
    const clock = {
      now: () => 0,
      monotonicMs: () => state.now - startMs,
      after(_ms: number, callback: () => void) {
        keepTime = callback;
        return () => {};
      },
    };
    const anchor = Buffer.from('a root');
    const trust = createManifestTrust({
      anchor,
      builtAtMs,
      clock,
      folder: join(folder, '..', 'trust'),
      log() {},
    });
    return { trust, keepTime: () => keepTime() };
  };
  const first = start();
  state.now += 40 * dayMs;
  first.keepTime();
  const secondMs = state.now;
  assert.deepEqual(await renew(0, 1, start().trust.latestMs), { renewed: 1, failures: [] });
  const ranDays = (state.now - secondMs) / dayMs;
  assert.ok(ranDays >= 20 && ranDays < 21, `${ranDays} days`);
});

test('the broker and the consents have the new certificate from then on, without a restart', async (t) => {
  const { calls, broker, known, renew } = await enrolledDevice(t);
  const identity = async () => ({ cert: known().certificatePem, key: known().keyPem });
  const ask = createBlobAccess({ ...broker, identity });
  const signer = certifiedSigner(known);
  const seen = new Set<string | undefined>();
  for (let round = 0; round < 2; round += 1) {
    const { kind } = await ask('assignment', createHash('sha256').digest(), new AbortController().signal);
    assert.equal(kind, 'refused');
    assert.equal(calls.at(-1)?.by, fingerprintOf(known()));
    const { signature, certificates } = signer.sign(Buffer.from('a decision'));
    const { publicKey, fingerprint256 } = new X509Certificate(certificates[0]!);
    assert.equal(fingerprint256, fingerprintOf(known()));
    assert.ok(verify('sha256', Buffer.from('a decision'), publicKey, signature));
    seen.add(fingerprint256);
    await renew();
  }
  assert.equal(seen.size, 2);
});

test('an agent that is killed anywhere in a renewal has a key and its certificate, and renews with the key it began with', async (t) => {
  for (const point of ['next_key_kept', 'certificate_issued', 'identity_kept'] as const) {
    const { state, broker, calls, folder, known, renew } = await enrolledDevice(t);
    const before = known();
    state.now += 61 * dayMs;
    const args = [folder, broker.brokerUrl, broker.caPem, point];
    const victim = fork(join(import.meta.dirname, 'testing/victim.ts'), args);
    const [, signal] = await once(victim, 'exit');
    assert.equal(signal, 'SIGKILL', point);
    assert.ok(isPair(known()), point);
    assert.equal(known().keyPem === before.keyPem, point !== 'identity_kept');
    assert.equal((await renew()).renewed, 1, point);
    assert.ok(isPair(known()), point);
    const [, ...keys] = calls.map(({ key }) => key);
    assert.equal(new Set(keys).size, point === 'identity_kept' ? 2 : 1, point);
  }
});

test('what fails is tried again later and later, and a certificate that has ended asks for a person', async (t) => {
  const { state, known, renew, enrolNow, tokenFile } = await enrolledDevice(t);
  state.behaviour = Code.Unavailable;
  const away = await renew(0.99, 20);
  const waits = away.failures.map(({ retryMs }) => retryMs);
  assert.ok(waits[0]! <= 1000 && waits.at(-1)! > hourMs / 2 && waits.at(-1)! <= hourMs);
  assert.ok(away.failures.every(({ byPerson, ended }) => !byPerson && !ended));

  const before = known();
  for (const behaviour of ['another_key', 'another_device', 'no_longer'] as const) {
    state.behaviour = behaviour;
    const { failures } = await renew(0, 1);
    assert.ok(failures[0]?.byPerson, behaviour);
    assert.match(failures[0].reason, /another key|another device than ward-7|ends no later/);
    assert.deepEqual(known(), before);
  }

  state.now = lifeOf(before.certificatePem).untilMs;
  state.behaviour = Code.Unauthenticated;
  const { failures } = await renew(0, 1);
  assert.ok(failures[0]?.ended && failures[0].byPerson);

  state.behaviour = 'right';
  assert.deepEqual(await enrolNow(), before, 'without a token nothing takes its place');
  writeFileSync(tokenFile, 'another-token-of-at-least-thirty-two-characters');
  state.behaviour = 'another_device';
  await assert.rejects(enrolNow(), /the token is of somebody, and what this agent remembers is of ward-7/);
  const said: EnrolFailure[] = [];
  assert.deepEqual(
    await enrolNow((failure) => said.push(failure)),
    before,
    'what it has may be good: who knows the time',
  );
  assert.deepEqual([said.length, said[0]?.retryMs], [1, null]);
  state.behaviour = 'right';
  assert.notDeepEqual(await enrolNow(), before);
  assert.ok(isPair(known()) && !existsSync(tokenFile));
});

test('an identity that an agent of before has written is read, and one file takes its place', async (t) => {
  const { folder, identity, known } = await enrolledDevice(t);
  const { deviceId, hubHost, certificatePem, keyPem } = known();
  rmSync(join(folder, 'identity.json'));
  writeFileSync(join(folder, 'device.json'), JSON.stringify({ deviceId, hubHost }));
  writeFileSync(join(folder, 'certificate.pem'), certificatePem);
  writeFileSync(join(folder, 'key.pem'), keyPem);
  const read = known();
  assert.deepEqual(read, { deviceId, hubHost, certificatePem, keyPem });
  identity.keep(read);
  assert.deepEqual(known(), read);
  assert.deepEqual(readdirSync(folder), ['identity.json']);
});
