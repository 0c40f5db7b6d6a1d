/** A device that signs decisions as an agent does, and an authority that certifies it, for tests. */
// biome-ignore lint/correctness/noUndeclaredDependencies: the root declares what only tests use
import 'reflect-metadata';
import { createHash, generateKeyPairSync, sign, webcrypto, X509Certificate } from 'node:crypto';
import { create, toBinary, toJsonString } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type Consent,
  ConsentEvidenceSchema,
  ConsentSchema,
  ConsentStatementSchema,
  Event,
  SignatureAlgorithm,
  State,
} from '@iotdh/proto/agent/v1';
import { AuditRecordSchema } from '@iotdh/proto/fleet/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
// biome-ignore lint/correctness/noUndeclaredDependencies: the root declares what only tests use
import * as x509 from '@peculiar/x509';

export const timeMs = Date.parse('2026-11-23T08:00:00Z');
const dayMs = 86_400_000;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const keysFor = () => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
export const uuid = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

export type Authority = {
  pem: string;
  root: X509Certificate;
  issue(name: string, days?: number): Promise<CertifiedKey>;
};
export type Key = { certificates: Uint8Array[]; publicKey: Uint8Array; sign(bytes: Uint8Array): Uint8Array };
/** `issueAnother`: with its own certificate as the issuer's, which nobody allows it. */
export type CertifiedKey = Key & { issueAnother(name: string): Promise<CertifiedKey> };

const span = (days: number) => ({
  notBefore: new Date(timeMs - dayMs),
  notAfter: new Date(timeMs + days * dayMs),
});

type Issuer = { subjectName: x509.Name; privateKey: webcrypto.CryptoKey; chain: Uint8Array[] };

async function certify(issuer: Issuer, name: string, days = 365): Promise<CertifiedKey> {
  const own = await keysFor();
  const certificate = await x509.X509CertificateGenerator.create({
    ...{ serialNumber: '02', subject: [{ CN: [name] }], issuer: issuer.subjectName, ...span(days) },
    ...{ publicKey: own.publicKey, signingKey: issuer.privateKey, signingAlgorithm: algorithm },
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', own.privateKey));
  const chain = [new Uint8Array(certificate.rawData), ...issuer.chain];
  return {
    certificates: chain,
    publicKey: new Uint8Array(),
    sign: (bytes) => sign('sha256', bytes, { key: pkcs8, format: 'der', type: 'pkcs8' }),
    issueAnother: (another) =>
      certify({ subjectName: certificate.subjectName, privateKey: own.privateKey, chain }, another),
  };
}

export async function createAuthority(): Promise<Authority> {
  const keys = await keysFor();
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    ...{ serialNumber: '01', name: 'CN=Devices', keys, signingAlgorithm: algorithm, ...span(3650) },
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  });
  const pem = root.toString('pem');
  return {
    pem,
    root: new X509Certificate(pem),
    issue: (name, days) =>
      certify({ subjectName: root.subjectName, privateKey: keys.privateKey, chain: [] }, name, days),
  };
}

export function bareKey(namedCurve = 'P-256'): Key {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve });
  return {
    certificates: [],
    publicKey: publicKey.export({ format: 'der', type: 'spki' }),
    sign: (bytes) => sign('sha256', bytes, privateKey),
  };
}

/** Decides again and again; each decision is followed by its move when it confirms. */
export function createDevice(deviceId: string, key: Key, chain = 1) {
  let number = 0;
  let previous: Uint8Array = new Uint8Array();
  const manifestDigest = new Uint8Array(32).fill(7);
  return {
    /** Null: its record has no time. */
    decide(answer: 'confirm' | 'decline' = 'confirm', atMs: number | null = timeMs): Consent {
      number += 1;
      const consent = create(ConsentSchema, {
        ...{ consentId: uuid(chain * 1000 + number), manifestDigest, kind: UpdateKind.PATCH },
        ...{ person: { id: 'n7', name: 'N. Seven' }, shownText: 'Now?' },
        ...(atMs === null ? {} : { time: timestampFromMs(atMs) }),
        decision: { case: answer, value: {} } as Consent['decision'],
      });
      const statement = toBinary(
        ConsentStatementSchema,
        create(ConsentStatementSchema, {
          ...{ consent, deviceId, chainId: uuid(chain), number: BigInt(number), previousDigest: previous },
          ...{ journalId: uuid(chain), sequence: BigInt(number * 10) },
        }),
      );
      previous = createHash('sha256').update(statement).digest();
      const signature = key.sign(
        Buffer.concat([Buffer.from('iotdh.agent.v1.ConsentStatement\0'), statement]),
      );
      const { certificates, publicKey } = key;
      const how = { algorithm: SignatureAlgorithm.ECDSA_P256_SHA256, certificates, publicKey };
      consent.evidence = create(ConsentEvidenceSchema, { statement, signature, ...how });
      return consent;
    },
    /** The move that the confirmation with this number led to. */
    applied(
      confirmation: number,
      event: Event = Event.SDK_CONFIRMPATCH,
      isPatch = event === Event.SDK_CONFIRMPATCH,
    ): string {
      const [from, to] = isPatch
        ? [State.WAIT_CONFIRM_PATCH, State.APPLYING_PATCH]
        : [State.WAIT_CONFIRM_BASE, State.APPLYING_BASE];
      const move = {
        ...{ sequence: BigInt(confirmation * 10 + 1), event, time: timestampFromMs(timeMs) },
        ...{ from, to },
        pendingUpdate: {
          manifestDigest,
          kind: isPatch ? UpdateKind.PATCH : UpdateKind.BASE,
          name: 'a',
          version: '1',
        },
      };
      const receiveTime = timestampFromMs(timeMs);
      const value = { deviceId, receiveTime, journalId: uuid(chain + 500), move };
      return lineOf({ case: 'application', value });
    },
  };
}

export const consentLine = (deviceId: string, consent: Consent): string =>
  lineOf({ case: 'consent', value: { deviceId, receiveTime: timestampFromMs(timeMs), consent } });

const lineOf = (kind: object): string =>
  toJsonString(AuditRecordSchema, create(AuditRecordSchema, { kind: kind as never }));
