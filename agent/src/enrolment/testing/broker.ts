/** A broker over TLS that certifies whoever asks, as long as it is told to, and remembers who that was. */
import 'reflect-metadata';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  Code,
  ConnectError,
  type ContextKey,
  createContextKey,
  createContextValues,
} from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { BrokerService } from '@iotdh/proto/broker/v1';
import { Pkcs10CertificateRequest, type PublicKey, X509CertificateGenerator } from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const fingerprintKey: ContextKey<string> = createContextKey('');
const lifeMs = 90 * 86_400_000;

/** What a broker may do wrong, beside refusing with a code. */
export type Behaviour = 'right' | 'another_key' | 'another_device' | 'no_longer' | Code;

export type PretendBroker = Awaited<ReturnType<typeof createPretendBroker>>;

/** Its certificates last 90 days from `now`, which starts as the time of now. `deviceId`: who is enrolled. */
export async function createPretendBroker(t: { after(clean: () => void): void }, deviceId: string) {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const validity = { notBefore: new Date(Date.now() - 1000), notAfter: new Date(Date.now() + 36e5) };
  const server = await X509CertificateGenerator.createSelfSigned({
    ...{ serialNumber: '01', name: 'CN=localhost', ...validity, keys, signingAlgorithm: algorithm },
    extensions: [],
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const state = { behaviour: 'right' as Behaviour, now: Date.now() };
  /** Of each call, the certificate that proved the caller and the key that was to be certified. */
  const calls: { by: string; key: string }[] = [];

  const nameNow = () => (state.behaviour === 'another_device' ? 'somebody' : deviceId);
  async function certify(name: string, publicKey: PublicKey, untilMs: number): Promise<Uint8Array> {
    const certificate = await X509CertificateGenerator.create({
      ...{ serialNumber: '02', subject: `CN=${name}`, issuer: 'CN=broker', publicKey },
      ...{ notBefore: new Date(state.now), notAfter: new Date(untilMs) },
      ...{ signingKey: keys.privateKey, signingAlgorithm: algorithm },
    });
    return new Uint8Array(certificate.rawData);
  }

  async function answer(signingRequest: Uint8Array, by: string) {
    const { behaviour } = state;
    const { publicKey } = new Pkcs10CertificateRequest(Uint8Array.from(signingRequest));
    calls.push({ by, key: Buffer.from(publicKey.rawData).toString('hex') });
    if (typeof behaviour === 'number') throw new ConnectError('it is not to be', behaviour);
    const others = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
    const another = new Uint8Array(others.export({ type: 'spki', format: 'der' }));
    const { PublicKey } = await import('@peculiar/x509');
    const certificate = await certify(
      nameNow(),
      behaviour === 'another_key' ? new PublicKey(another) : publicKey,
      state.now + (behaviour === 'no_longer' ? 1000 : lifeMs),
    );
    const [notBefore, notAfter] = [state.now, state.now + lifeMs].map(timestampFromMs);
    return { chain: [certificate], notBefore: notBefore!, notAfter: notAfter! };
  }

  const handler = connectNodeAdapter({
    contextValues({ socket }) {
      const { raw } = socket instanceof TLSSocket ? socket.getPeerCertificate() : {};
      return createContextValues().set(fingerprintKey, raw ? new X509Certificate(raw).fingerprint256 : '');
    },
    routes: (router) =>
      router.service(BrokerService, {
        enrolDevice: async ({ signingRequest }, { values }) => ({
          ...{ deviceId: nameNow(), hubHost: 'hub.example' },
          certificate: await answer(signingRequest, values.get(fingerprintKey)),
        }),
        renewCertificate: async ({ signingRequest }, { values }) => ({
          certificate: await answer(signingRequest, values.get(fingerprintKey)),
        }),
        issueBlobAccess(_request, { values }) {
          calls.push({ by: values.get(fingerprintKey), key: '' });
          throw new ConnectError('there is no such assignment', Code.NotFound);
        },
      }),
  });
  const caPem = server.toString('pem');
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`;
  const tls = { cert: caPem, key, requestCert: true, rejectUnauthorized: false };
  const listener = createServer(tls, handler).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => {
    listener.close();
    listener.closeAllConnections();
  });
  const { port } = listener.address() as AddressInfo;
  return { state, calls, broker: { brokerUrl: `https://localhost:${port}`, caPem } };
}
