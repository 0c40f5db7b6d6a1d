import assert from 'node:assert/strict';
import { webcrypto, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { before, test } from 'node:test';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { type IssuedCertificate, issueCertificate } from '../issue-certificate.ts';
import { type ClientCertificate, clientCertificateOf, thumbprintsOf, verifyChain } from './x509-trust.ts';

const nowMs = Date.now();
const dayMs = 86_400_000;

function issue(
  commonName: string,
  kind: 'authority' | 'server' | 'client',
  issuer?: IssuedCertificate,
  validDays = 30,
) {
  return issueCertificate({ commonName, kind, validDays, nowMs, ...(issuer && { issuer }) });
}

const der = (issued: IssuedCertificate) => new X509Certificate(issued.certPem).raw;

let root: IssuedCertificate;
let middle: IssuedCertificate;
let low: IssuedCertificate;
let stranger: IssuedCertificate;
let authorities: X509Certificate[];

before(async () => {
  root = await issue('root', 'authority');
  middle = await issue('middle', 'authority', root);
  low = await issue('low', 'authority', middle);
  stranger = await issue('root', 'authority');
  authorities = [new X509Certificate(stranger.certPem), new X509Certificate(root.certPem)];
});

function verdict(certificate: ClientCertificate, atMs = nowMs): string {
  const result = verifyChain({ certificate, authorities, nowMs: atMs });
  return result.ok ? `ok ${result.commonName}` : result.reason;
}

test('a certificate that an authority signed is trusted, and names its device', async () => {
  const client = await issue('device-1', 'client', root);
  assert.equal(verdict({ der: der(client), chain: [] }), 'ok device-1');
  assert.equal(verdict({ der: der(client), chain: [der(root)] }), 'ok device-1');
});

test('a chain over intermediate authorities is followed, in whatever order they came', async () => {
  const client = await issue('device-1', 'client', low);
  assert.equal(verdict({ der: der(client), chain: [der(low), der(middle)] }), 'ok device-1');
  assert.equal(verdict({ der: der(client), chain: [der(root), der(middle), der(low)] }), 'ok device-1');
});

test('a chain with a missing link, or of another root with the same name, is not trusted', async () => {
  const client = await issue('device-1', 'client', low);
  assert.equal(verdict({ der: der(client), chain: [der(low)] }), 'untrusted');
  assert.equal(verdict({ der: der(client), chain: [] }), 'untrusted');
  const foreign = await issue('root', 'authority');
  const forged = await issue('device-1', 'client', foreign);
  assert.equal(verdict({ der: der(forged), chain: [der(foreign)] }), 'untrusted');
});

/** Certificates without the key identifiers and key usages by which OpenSSL already tells most forgeries. */
async function createBareIssuer() {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  let serial = 0;
  return async (subject: string, issuer: string, ca: boolean): Promise<Buffer> => {
    serial += 1;
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: `0${serial.toString(16)}`,
      subject: `CN=${subject}`,
      issuer: `CN=${issuer}`,
      notBefore: new Date(nowMs - dayMs),
      notAfter: new Date(nowMs + dayMs),
      signingAlgorithm: algorithm,
      publicKey: keys.publicKey,
      signingKey: keys.privateKey,
      extensions: [new x509.BasicConstraintsExtension(ca, undefined, true)],
    });
    return Buffer.from(certificate.rawData);
  };
}

test('certificates that all sign each other do not multiply the work', async () => {
  const issueBare = await createBareIssuer();
  const loop: Buffer[] = [];
  for (let count = 0; count < 10; count += 1) loop.push(await issueBare('loop', 'loop', true));
  const [first, last] = [loop[0], loop.at(-1)].map((each) => new X509Certificate(each ?? ''));
  assert.ok(
    first !== undefined && last !== undefined && first.checkIssued(last) && first.verify(last.publicKey),
  );
  const startedMs = performance.now();
  assert.equal(verdict({ der: loop[0] ?? Buffer.alloc(0), chain: loop }), 'untrusted');
  // Every way through the loop would be ten factorial signatures: an hour.
  assert.ok(performance.now() - startedMs < 5000);
});

test('the name of an authority is worth nothing without its signature', async () => {
  const issueBare = await createBareIssuer();
  const forged = await issueBare('device-1', 'root', false);
  assert.ok(authorities.some((authority) => new X509Certificate(forged).checkIssued(authority)));
  assert.equal(verdict({ der: forged, chain: [] }), 'untrusted');
});

test('a device cannot sign certificates for other devices', async () => {
  const device = await issue('device-1', 'client', root);
  const forged = await issue('device-2', 'client', device);
  assert.equal(verdict({ der: der(forged), chain: [der(device)] }), 'untrusted');
  const issueBare = await createBareIssuer();
  const bareDevice = await issueBare('device-1', 'root', false);
  const forgedBare = await issueBare('device-2', 'device-1', false);
  assert.equal(verdict({ der: forgedBare, chain: [bareDevice] }), 'not-a-ca');
});

test('a certificate or an authority outside its dates is refused', async () => {
  const client = await issue('device-1', 'client', root, 10);
  const certificate = { der: der(client), chain: [] };
  assert.equal(verdict(certificate, nowMs + 9 * dayMs), 'ok device-1');
  assert.equal(verdict(certificate, nowMs + 11 * dayMs), 'expired');
  assert.equal(verdict(certificate, nowMs - 2 * dayMs), 'not-yet-valid');
  const longer = await issue('device-1', 'client', root, 90);
  assert.equal(verdict({ der: der(longer), chain: [] }, nowMs + 60 * dayMs), 'expired');
});

test('unreadable bytes, too many certificates and no authority each have their own reason', async () => {
  const client = await issue('device-1', 'client', root);
  assert.equal(verdict({ der: Buffer.from('no certificate'), chain: [] }), 'malformed');
  assert.equal(verdict({ der: der(client), chain: [Buffer.from('junk')] }), 'ok device-1');
  assert.equal(verdict({ der: der(client), chain: Array(11).fill(der(root)) }), 'chain-too-long');
  const result = verifyChain({ certificate: { der: der(client), chain: [] }, authorities: [], nowMs });
  assert.equal(!result.ok && result.reason, 'no-authority');
});

test('thumbprints are those that Node computes', async () => {
  const certificate = new X509Certificate(root.certPem);
  const { sha1, sha256 } = thumbprintsOf(certificate.raw);
  assert.equal(sha1, certificate.fingerprint.replaceAll(':', ''));
  assert.equal(sha256, certificate.fingerprint256.replaceAll(':', ''));
});

test('what a TLS client presented is read from its socket with its intermediates', async (t) => {
  const server = createServer({
    key: root.keyPem,
    cert: root.certPem,
    requestCert: true,
    rejectUnauthorized: false,
  });
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  async function presented(options: { cert: string; key: string } | undefined) {
    const accepted = once(server, 'secureConnection');
    const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
    t.after(() => client.destroy());
    const [socket] = (await accepted) as [TLSSocket];
    t.after(() => socket.destroy());
    return clientCertificateOf(socket);
  }

  assert.equal(await presented(undefined), undefined);
  const client = await issue('device-1', 'client', low);
  const cert = `${client.certPem}\n${low.certPem}\n${middle.certPem}`;
  const certificate = await presented({ cert, key: client.keyPem });
  assert.ok(certificate !== undefined);
  assert.deepEqual(certificate.chain, [der(low), der(middle)]);
  assert.equal(verdict(certificate), 'ok device-1');
  const alone = await issue('self', 'client');
  assert.deepEqual((await presented({ cert: alone.certPem, key: alone.keyPem }))?.chain, []);
});
