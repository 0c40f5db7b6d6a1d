/** The broker over the network: enrolment with tokens as the API makes them, renewal by mutual TLS, and access to blobs. */
import assert from 'node:assert/strict';
import { createHash, createPrivateKey, randomBytes, randomUUID, X509Certificate } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import 'reflect-metadata';
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampDate, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import {
  AccessRefusedSchema,
  BlobPurpose,
  BrokerService,
  ErrorInfoSchema,
  ErrorReason,
  SigningRequestRejectedSchema,
  TokenProblem,
  TokenRejectedSchema,
} from '@iotdh/proto/broker/v1';
import { Codec, type Manifest, ManifestSchema } from '@iotdh/proto/update/v1';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
// biome-ignore lint/correctness/noUndeclaredDependencies: the root declares what only tests use
import iot from 'azure-iot-device';
// biome-ignore lint/correctness/noUndeclaredDependencies: the root declares what only tests use
import { Mqtt } from 'azure-iot-device-mqtt';
import { Long } from 'mongodb';
import type { Clock } from '../../shared/clock.ts';
import type { AssignmentDocument, DeviceDocument } from '../../shared/database/collections.ts';
import { createHub } from '../../shared/hub.ts';
import { createIdentities } from '../../shared/identities.ts';
import { silentLog } from '../../shared/log.ts';
import { createMetrics } from '../../shared/metrics.ts';
import { createOperators } from '../../shared/operators.ts';
import { testDatabase } from '../../shared/testing/test-database.ts';
import { testBlobs, testHubWithBlobs } from '../../shared/testing/test-hub.ts';
import { createTracing } from '../../shared/tracing.ts';
import { createAuthBroker } from './auth-broker.ts';
import { openAuthority } from './authority.ts';

const operatorToken = 'operator-token-for-the-tests-0123456789';
const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest();

type Key = { pem: string; request(): Promise<Uint8Array> };

async function newKey(namedCurve = 'P-256'): Promise<Key> {
  const algorithm = { name: 'ECDSA', namedCurve, hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey));
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  return {
    pem: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
    async request() {
      const made = await Pkcs10CertificateRequestGenerator.create({
        name: 'CN=whatever',
        keys,
        signingAlgorithm: algorithm,
      });
      return new Uint8Array(made.rawData);
    },
  };
}

async function brokerRig(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-broker-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [database, hub] = await Promise.all([testDatabase(t), testHubWithBlobs(t)]);
  const blobs = await testBlobs(t, hub);
  const service = createHub({ connectionString: hub.connectionString(), caPem: hub.caPem });
  t.after(() => service.close());
  let skewMs = 0;
  const clock: Clock = {
    now: () => Date.now() + skewMs,
    after(ms, callback) {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
  };
  const authorityPath = join(folder, 'authority.pem');
  const { server } = hub.certificates;
  const broker = createAuthBroker({
    database,
    objects: blobs.objects,
    hub: service,
    hubHost: hub.hostName,
    authority: await openAuthority(authorityPath, Date.now()),
    operators: createOperators([{ name: 'ada', token: operatorToken }]),
    port: 0,
    tls: { certPem: server.certPem, keyPem: server.keyPem },
    log: silentLog,
    tracing: createTracing({ service: 'auth-broker' }),
    metrics: createMetrics({ service: 'auth-broker' }),
    clock,
  });
  t.after(() => broker.stop());
  await broker.start();

  const baseUrl = broker.url.replace('localhost', '127.0.0.1');
  const trust = { ca: hub.caPem };
  const clientOf = (nodeOptions: { cert?: string; key?: string } = {}, token: string | null = null) =>
    createClient(
      BrokerService,
      createConnectTransport({
        baseUrl,
        httpVersion: '1.1',
        nodeOptions: { ...trust, ...nodeOptions },
        interceptors: [
          (next) => (request) => {
            if (token !== null) request.header.set('authorization', `Bearer ${token}`);
            return next(request);
          },
        ],
      }),
    );

  async function register(deviceId: string, change: Partial<DeviceDocument> = {}): Promise<string> {
    const token = randomBytes(32).toString('base64url');
    await createIdentities(service).ensure(deviceId);
    await database.collections.devices.insertOne({
      ...{ _id: deviceId, displayName: '', site: '', labels: {}, connectivity: 'awaited' },
      ...{ lastSeenTime: null, report: null, reportOrder: null, commandSequence: Long.ZERO },
      enrolment: {
        tokenDigest: sha256(token).toString('hex'),
        expireTime: new Date(clock.now() + 3_600_000),
      },
      ...{ createTime: new Date(), retireTime: null, retireReason: '', revision: Long.ONE },
      ...change,
    });
    return token;
  }
  return {
    ...{ broker, database, hub, blobs, authorityPath, baseUrl, trust, clientOf, register },
    skew: (ms: number) => {
      skewMs += ms;
    },
  };
}

const pemOf = (der: Uint8Array | undefined): string =>
  new X509Certificate(der ?? new Uint8Array()).toString();

/** The error of a call: its code, its reason, and the error itself for its details. */
async function refused(call: Promise<unknown>) {
  const error = await call.then(
    () => assert.fail('it was not refused'),
    (reason: unknown) => ConnectError.from(reason),
  );
  return { error, code: error.code, reason: error.findDetails(ErrorInfoSchema)[0]?.reason };
}

const whole = (content: Buffer): Manifest =>
  create(ManifestSchema, {
    ...{ formatVersion: 1, name: 'carto', version: '1.0', title: 'Carto', createTime: timestampFromMs(0) },
    objects: [
      {
        digest: sha256(content),
        size: BigInt(content.length),
        contents: [{ digest: sha256(content), size: BigInt(content.length) }],
        encoding: { case: 'whole', value: { codec: Codec.NONE } },
        segmentSize: 65_536,
        segmentDigests: { case: 'segments', value: { digests: [sha256(content)] } },
      },
    ],
  });

test('a device enrols, connects, and renews; operators write what a draft lacks', async (t) => {
  const rig = await brokerRig(t);
  const { database, register } = rig;
  const client = rig.clientOf();
  const key = await newKey();

  await t.test('the key of the authority is readable by the broker alone, and stays', async () => {
    assert.equal(statSync(rig.authorityPath).mode & 0o777, 0o600);
    const [one, two] = await Promise.all([1, 2].map(() => openAuthority(rig.authorityPath, Date.now())));
    assert.equal(one?.certificatePem, two?.certificatePem);
    const open = `${rig.authorityPath}.open`;
    await openAuthority(open, Date.now());
    chmodSync(open, 0o644);
    await assert.rejects(openAuthority(open, Date.now()), /can be read by other users/);
  });

  const token = await register('ward-7');
  const enrolled = await client.enrolDevice({
    enrolmentToken: token,
    signingRequest: await key.request(),
  });
  const certificate = enrolled.certificate?.chain[0];

  await t.test('the certificate is the device’s, and only its thumbprint is in the registry', () => {
    assert.equal(enrolled.deviceId, 'ward-7');
    assert.equal(enrolled.hubHost, rig.hub.hostName);
    const read = new X509Certificate(certificate ?? new Uint8Array());
    assert.equal(read.subject, 'CN=ward-7');
    assert.ok(read.checkPrivateKey(createPrivateKey(key.pem)));
    const thumbprints = rig.hub.engine.registry.get('ward-7')?.authentication.x509Thumbprint;
    assert.equal(thumbprints?.primaryThumbprint, read.fingerprint256.replaceAll(':', ''));
    assert.equal(
      timestampDate(enrolled.certificate!.notAfter!).toISOString(),
      new Date(read.validTo).toISOString(),
    );
  });

  await t.test('with it the device connects to the hub', async () => {
    const device = iot.Client.fromConnectionString(
      `HostName=${rig.hub.hostName};DeviceId=ward-7;x509=true`,
      Mqtt,
    );
    await device.setOptions({ ca: rig.hub.caPem, cert: pemOf(certificate), key: key.pem });
    await device.open();
    await device.close();
  });

  await t.test(
    'a retry with the same key gets the same certificate for ten minutes, another key nothing',
    async () => {
      const again = await client.enrolDevice({ enrolmentToken: token, signingRequest: await key.request() });
      assert.deepEqual(again.certificate, enrolled.certificate);
      const other = await newKey();
      const signingRequest = await other.request();
      const { error, code, reason } = await refused(
        client.enrolDevice({ enrolmentToken: token, signingRequest }),
      );
      assert.deepEqual([code, reason], [Code.Unauthenticated, ErrorReason.TOKEN_REJECTED]);
      assert.equal(error.findDetails(TokenRejectedSchema)[0]?.problem, TokenProblem.USED);
      rig.skew(600_001);
      const late = await refused(
        client.enrolDevice({ enrolmentToken: token, signingRequest: await key.request() }),
      );
      assert.equal(late.reason, ErrorReason.TOKEN_REJECTED);
    },
  );

  await t.test(
    'two who enrol at once with one token: one does, and the registry has its certificate',
    async () => {
      const contested = await register('ward-8');
      const requests = await Promise.all([newKey(), newKey()].map(async (made) => (await made).request()));
      const outcomes = await Promise.allSettled(
        requests.map((signingRequest) => client.enrolDevice({ enrolmentToken: contested, signingRequest })),
      );
      const [won, ...others] = outcomes.filter((outcome) => outcome.status === 'fulfilled');
      assert.equal(others.length, 0);
      const read = new X509Certificate(won?.value.certificate?.chain[0] ?? new Uint8Array());
      const thumbprints = rig.hub.engine.registry.get('ward-8')?.authentication.x509Thumbprint;
      assert.equal(thumbprints?.primaryThumbprint, read.fingerprint256.replaceAll(':', ''));
    },
  );

  await t.test(
    'tokens that are unknown or too old, and devices that are retired, are refused as such',
    async () => {
      const signingRequest = await key.request();
      const unknown = await refused(client.enrolDevice({ enrolmentToken: 'x'.repeat(43), signingRequest }));
      assert.equal(unknown.error.findDetails(TokenRejectedSchema)[0]?.problem, TokenProblem.UNSPECIFIED);
      const old = await register('ward-9');
      await database.collections.devices.updateOne(
        { _id: 'ward-9' },
        { $set: { 'enrolment.expireTime': new Date(0) } },
      );
      const expired = await refused(client.enrolDevice({ enrolmentToken: old, signingRequest }));
      assert.equal(expired.error.findDetails(TokenRejectedSchema)[0]?.problem, TokenProblem.EXPIRED);
      const retired = await register('ward-10', { retireTime: new Date() });
      const gone = await refused(client.enrolDevice({ enrolmentToken: retired, signingRequest }));
      assert.deepEqual([gone.code, gone.reason], [Code.FailedPrecondition, ErrorReason.DEVICE_RETIRED]);
      const missing = await refused(client.enrolDevice({ enrolmentToken: 'short', signingRequest }));
      assert.equal(missing.code, Code.InvalidArgument);
    },
  );

  await t.test('a device that enrols again proves itself by its new certificate alone', async () => {
    const first = await newKey();
    const before = await client.enrolDevice({
      enrolmentToken: await register('ward-12'),
      signingRequest: await first.request(),
    });
    const again = 'another-token-of-the-same-device-0123456789';
    const enrolment = {
      tokenDigest: sha256(again).toString('hex'),
      expireTime: new Date(Date.now() + 3_600_000_000),
    };
    await database.collections.devices.updateOne({ _id: 'ward-12' }, { $set: { enrolment } });
    const second = await newKey();
    const after = await client.enrolDevice({
      enrolmentToken: again,
      signingRequest: await second.request(),
    });
    assert.equal(after.deviceId, 'ward-12');
    const renew = async (certificate: typeof before.certificate, { pem }: Key) =>
      rig
        .clientOf({ cert: pemOf(certificate?.chain[0]), key: pem })
        .renewCertificate({ signingRequest: await (await newKey()).request() });
    assert.equal((await refused(renew(before.certificate, first))).code, Code.Unauthenticated);
    assert.notEqual((await renew(after.certificate, second)).certificate, undefined);
  });

  await t.test('a signing request must be one, signed by its own key, of a curve that we take', async () => {
    const open = await register('ward-11');
    const forged = await key.request();
    forged.set([(forged.at(-1) ?? 0) ^ 1], forged.length - 1);
    const large = await (await newKey('P-521')).request();
    for (const signingRequest of [Buffer.from('nonsense'), forged, large]) {
      const { error, code, reason } = await refused(
        client.enrolDevice({ enrolmentToken: open, signingRequest }),
      );
      assert.deepEqual([code, reason], [Code.InvalidArgument, ErrorReason.SIGNING_REQUEST_REJECTED]);
      assert.notEqual(error.findDetails(SigningRequestRejectedSchema)[0]?.problem ?? '', '');
    }
    const good = await newKey('P-384');
    await client.enrolDevice({ enrolmentToken: open, signingRequest: await good.request() });
  });

  const proven = rig.clientOf({ cert: pemOf(certificate), key: key.pem });

  await t.test('a certificate is renewed by who proves the one before, which stays valid', async () => {
    const next = await newKey();
    const renewed = await proven.renewCertificate({ signingRequest: await next.request() });
    const again = await proven.renewCertificate({ signingRequest: await next.request() });
    assert.deepEqual(again, renewed);
    const nobody = await refused(client.renewCertificate({ signingRequest: await next.request() }));
    assert.equal(nobody.code, Code.Unauthenticated);
    const bad = await refused(proven.renewCertificate({ signingRequest: Buffer.from('nonsense') }));
    assert.equal(bad.reason, ErrorReason.SIGNING_REQUEST_REJECTED);
    const other = await rig.hub.certificates.issueClient('ward-7');
    const stranger = rig.clientOf({ cert: other.certPem, key: other.keyPem });
    const forged = await refused(stranger.renewCertificate({ signingRequest: await next.request() }));
    assert.equal(forged.code, Code.Unauthenticated);
  });

  await t.test('gRPC and gRPC-Web are served too', async () => {
    const common = { baseUrl: rig.baseUrl, nodeOptions: rig.trust };
    for (const transport of [
      createGrpcTransport(common),
      createGrpcWebTransport({ ...common, httpVersion: '1.1' }),
    ]) {
      const enrolmentToken = await register(`device-${randomUUID()}`);
      const made = await newKey();
      await createClient(BrokerService, transport).enrolDevice({
        enrolmentToken,
        signingRequest: await made.request(),
      });
    }
  });

  const content = Buffer.from('what Carto 1.0 installs');
  const bytes = Buffer.from(toBinary(ManifestSchema, whole(content)));
  const manifest = {
    ...{ digest: sha256(bytes).toString('hex'), size: bytes.length, kind: 'patch' as const },
    ...{ name: 'carto', version: '1.0' },
  };
  const packId = randomUUID();
  const write = { purpose: BlobPurpose.WRITE_OBJECT, subjectId: packId, objectDigests: [sha256(content)] };
  const operator = rig.clientOf({}, operatorToken);

  await t.test('an operator writes the objects of a draft, once, and nothing else', async () => {
    await rig.blobs.objects.put(manifest.digest, bytes);
    await database.collections.packs.insertOne({
      ...{ _id: packId, manifest, title: 'Carto', summary: '', state: 'draft', objectBytes: Long.ZERO },
      ...{ createTime: new Date(), publishTime: null, yankReason: '' },
    });
    assert.equal((await refused(client.issueBlobAccess(write))).code, Code.Unauthenticated);
    const wrongToken = rig.clientOf({}, 'x'.repeat(40));
    assert.equal((await refused(wrongToken.issueBlobAccess(write))).code, Code.Unauthenticated);
    const { accesses } = await operator.issueBlobAccess(write);
    const { url, expireTime } = accesses[0]!;
    assert.ok(timestampDate(expireTime!).getTime() <= Date.now() + 3_600_000 + 600_001);
    const put = { method: 'PUT', body: content, headers: { 'x-ms-blob-type': 'BlockBlob' } };
    assert.equal((await fetch(url, put)).status, 201);
    assert.ok((await fetch(url, put)).status >= 400);
    const foreign = sha256('something else');
    const { error, code, reason } = await refused(
      operator.issueBlobAccess({ ...write, objectDigests: [sha256(content), foreign] }),
    );
    assert.deepEqual([code, reason], [Code.PermissionDenied, ErrorReason.ACCESS_REFUSED]);
    assert.deepEqual(Buffer.from(error.findDetails(AccessRefusedSchema)[0]!.objectDigest), foreign);
    const bill = Buffer.from('{"bomFormat":"CycloneDX"}');
    const sbom = { digest: sha256(bill).toString('hex'), size: bill.length };
    const ofBill = { ...write, objectDigests: [sha256(bill)] };
    assert.equal((await refused(operator.issueBlobAccess(ofBill))).reason, ErrorReason.ACCESS_REFUSED);
    await database.collections.packs.updateOne({ _id: packId }, { $set: { sbom } });
    const toWrite = (await operator.issueBlobAccess(ofBill)).accesses[0]!.url;
    assert.equal((await fetch(toWrite, { ...put, body: bill })).status, 201);
    await database.collections.packs.updateOne({ _id: packId }, { $set: { state: 'published' } });
    assert.equal((await refused(operator.issueBlobAccess(write))).reason, ErrorReason.ACCESS_REFUSED);
    const toRead = { ...ofBill, purpose: BlobPurpose.READ_SBOM };
    assert.equal((await refused(proven.issueBlobAccess(toRead))).code, Code.Unauthenticated);
    const read = await fetch((await operator.issueBlobAccess(toRead)).accesses[0]!.url);
    assert.deepEqual(Buffer.from(await read.arrayBuffer()), bill);
    const others = { ...toRead, objectDigests: [sha256(content)] };
    assert.equal((await refused(operator.issueBlobAccess(others))).reason, ErrorReason.ACCESS_REFUSED);
  });

  await t.test('a device reads what is assigned to it, by its certificate', async () => {
    const assignmentId = randomUUID();
    await database.collections.assignments.insertOne({
      ...{ _id: assignmentId, deviceId: 'ward-7', packId, fallbackPackId: null, manifest, fallback: null },
      ...{ title: '', transferId: randomUUID(), frameSize: 61_440, state: 'waiting', stateTime: new Date() },
      ...{ goesOn: true, cancel: null, progress: null, result: null, notBefore: null, notAfter: null },
      ...{ createTime: new Date(), creator: 'ada', traceParent: '' },
    } satisfies AssignmentDocument);
    const read = { purpose: BlobPurpose.READ_OBJECT, subjectId: assignmentId };
    const { accesses } = await proven.issueBlobAccess({
      ...read,
      objectDigests: [sha256(bytes), sha256(content)],
    });
    assert.deepEqual(Buffer.from(await (await fetch(accesses[1]!.url)).arrayBuffer()), content);
    const metadata = Buffer.from('{"signatures":[],"signed":{}}');
    const named = { digest: sha256(metadata).toString('hex'), size: metadata.length };
    await rig.blobs.objects.put(named.digest, metadata);
    await database.collections.metadata.insertOne({
      ...{ _id: 'timestamp/1', role: 'timestamp', version: Long.ONE, createTime: new Date(), ...named },
    });
    // What vouches for its manifest, too; but not for an assignment that is another device's or none.
    const vouching = { ...read, objectDigests: [sha256(metadata)] };
    const [granted] = (await proven.issueBlobAccess(vouching)).accesses;
    assert.deepEqual(Buffer.from(await (await fetch(granted!.url)).arrayBuffer()), metadata);
    const { reason } = await refused(proven.issueBlobAccess({ ...vouching, subjectId: randomUUID() }));
    assert.equal(reason, ErrorReason.ACCESS_REFUSED);
    const objectDigests = [sha256('something else')];
    assert.equal(
      (await refused(proven.issueBlobAccess({ ...read, objectDigests }))).code,
      Code.PermissionDenied,
    );
    assert.equal(
      (await refused(operator.issueBlobAccess({ ...read, objectDigests }))).code,
      Code.Unauthenticated,
    );
  });

  await t.test('the certificate of a retired device proves nothing', async () => {
    await database.collections.devices.updateOne({ _id: 'ward-7' }, { $set: { retireTime: new Date() } });
    const gone = await refused(proven.renewCertificate({ signingRequest: await key.request() }));
    assert.deepEqual([gone.code, gone.reason], [Code.FailedPrecondition, ErrorReason.DEVICE_RETIRED]);
  });
});
