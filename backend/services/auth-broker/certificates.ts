/**
 * Enrols devices and renews their certificates. The registry of the hub is told first, the database last: a crash between the two
 * leaves the token good for another try.
 */
import { createHash } from 'node:crypto';
import { Binary, type ClientSession } from 'mongodb';
import type { Clock } from '../../shared/clock.ts';
import type { CertificateDocument, DeviceDocument } from '../../shared/database/collections.ts';
import type { Database } from '../../shared/database/connect.ts';
import { type Identities, unusableThumbprint } from '../../shared/identities.ts';
import { type Authority, type IssuedCertificate, thumbprintOf } from './authority.ts';
import { refuse } from './refusal.ts';
import { readSigningRequest, type SigningRequest } from './signing-request.ts';

export type CertificatesOptions = {
  database: Pick<Database, 'transact' | 'collections'>;
  identities: Identities;
  authority: Authority;
  clock: Clock;
};

export type DeviceCertificates = {
  /** Exchanges a token, once, for a certificate. With the same key it answers the same for ten minutes. */
  enrol(token: string, signingRequest: Uint8Array): Promise<CertificateDocument>;
  /** A new certificate for whom the one in DER proves. With the same key it answers the same for ten minutes. */
  renew(presented: Uint8Array, signingRequest: Uint8Array): Promise<CertificateDocument>;
  /** The id of the device whose certificate this is, in DER. Refuses when it is none of ours, or of a retired device. */
  deviceOf(presented: Uint8Array): Promise<string>;
};

const repeatMs = 600_000;

export function createCertificates(options: CertificatesOptions): DeviceCertificates {
  const { database, identities, authority, clock } = options;
  const { devices, certificates } = database.collections;

  /** Has the registry take the certificate; `previous` stays good beside it. */
  async function admit(deviceId: string, thumbprint: string, previous: string | null): Promise<void> {
    const wanted = {
      deviceId,
      enabled: true,
      primaryThumbprint: thumbprint,
      secondaryThumbprint: previous,
    };
    if ((await identities.replace(wanted)) === 'replaced') return;
    await identities.ensure(deviceId);
    await identities.replace(wanted);
  }

  /** Keeps the certificate if `isStillDue`; otherwise takes back what the registry was told, and answers null. */
  async function keep(
    document: CertificateDocument,
    isStillDue: (session: ClientSession) => Promise<boolean>,
  ): Promise<CertificateDocument | null> {
    return database.transact(async (session) => {
      if (!(await isStillDue(session))) return null;
      await certificates.insertOne(document, { session });
      return document;
    });
  }

  /** After somebody was faster: the registry is left with what the database says. */
  async function settle(deviceId: string): Promise<void> {
    const device = await devices.findOne({ _id: deviceId });
    const [latest] = await certificates.find({ deviceId }).sort({ issueTime: -1 }).limit(1).toArray();
    if (device === null || device.retireTime !== null) {
      const nothing = { primaryThumbprint: unusableThumbprint(), secondaryThumbprint: null };
      await identities.replace({ deviceId, enabled: false, ...nothing });
    } else if (latest !== undefined) {
      await admit(deviceId, latest._id, null);
    }
  }

  const isRecent = ({ issueTime }: CertificateDocument): boolean =>
    clock.now() - issueTime.getTime() <= repeatMs;

  async function enrolOnce(token: string, request: () => Promise<SigningRequest>) {
    const tokenDigest = createHash('sha256').update(token).digest('hex');
    const device = await devices.findOne({ 'enrolment.tokenDigest': tokenDigest });
    if (device === null) return repeat(tokenDigest, request);
    if (device.retireTime !== null) return refuse({ kind: 'device_retired' });
    if ((device.enrolment?.expireTime.getTime() ?? 0) <= clock.now()) {
      return refuse({ kind: 'token_rejected', problem: 'expired' });
    }
    const { publicKey, keyDigest } = await request();
    const deviceId = device._id;
    const issued = await authority.issue(deviceId, publicKey, clock.now());
    await admit(deviceId, issued.thumbprint, null);
    const document = documentOf(issued, { deviceId, tokenDigest, keyDigest, nowMs: clock.now() });
    const kept = await keep(document, async (session) => {
      const { matchedCount } = await devices.updateOne(
        { _id: deviceId, 'enrolment.tokenDigest': tokenDigest, retireTime: null },
        { $set: { enrolment: null } },
        { session },
      );
      return matchedCount === 1;
    });
    if (kept === null) await settle(deviceId);
    return kept;
  }

  /** The token is not open: it was used, or is none of ours. */
  async function repeat(tokenDigest: string, request: () => Promise<SigningRequest>) {
    const used = await certificates.findOne({ tokenDigest });
    if (used === null) return refuse({ kind: 'token_rejected', problem: 'unknown' });
    await refuseRetired(used.deviceId);
    const { keyDigest } = await request();
    if (keyDigest !== used.keyDigest || !isRecent(used)) {
      return refuse({ kind: 'token_rejected', problem: 'used' });
    }
    return used;
  }

  async function refuseRetired(deviceId: string): Promise<DeviceDocument | null> {
    const device = await devices.findOne({ _id: deviceId });
    if (device !== null && device.retireTime !== null) refuse({ kind: 'device_retired' });
    return device;
  }

  /** The certificate as it was issued: signed by us, in its time, and still one that the registry takes. */
  async function presentedBy(der: Uint8Array): Promise<CertificateDocument> {
    const nobody = () =>
      refuse({ kind: 'unauthenticated', what: 'a valid certificate of the device is missing' });
    const found = await certificates.findOne({ _id: thumbprintOf(der) });
    if (found === null) return nobody();
    const nowMs = clock.now();
    if (nowMs < found.notBefore.getTime() || nowMs >= found.notAfter.getTime()) return nobody();
    await refuseRetired(found.deviceId);
    const identity = await identities.get(found.deviceId);
    const taken = [identity?.primaryThumbprint, identity?.secondaryThumbprint];
    return taken.includes(found._id) ? found : nobody();
  }

  return {
    async enrol(token, signingRequest) {
      const request = () => readSigningRequest(signingRequest);
      // The second time the token is found used, by whoever was faster.
      return (
        (await enrolOnce(token, request)) ??
        (await enrolOnce(token, request)) ??
        refuse({ kind: 'token_rejected', problem: 'used' })
      );
    },
    async renew(presented, signingRequest) {
      const current = await presentedBy(presented);
      const { deviceId } = current;
      const { publicKey, keyDigest } = await readSigningRequest(signingRequest);
      const [same] = await certificates
        .find({ deviceId, keyDigest, tokenDigest: '' })
        .sort({ issueTime: -1 })
        .limit(1)
        .toArray();
      if (same !== undefined && isRecent(same)) return same;
      const issued = await authority.issue(deviceId, publicKey, clock.now());
      await admit(deviceId, issued.thumbprint, current._id);
      const document = documentOf(issued, { deviceId, tokenDigest: '', keyDigest, nowMs: clock.now() });
      const kept = await keep(document, async (session) => {
        const device = await devices.findOne({ _id: deviceId }, { session });
        return device !== null && device.retireTime === null;
      });
      if (kept === null) {
        await settle(deviceId);
        return refuse({ kind: 'device_retired' });
      }
      return kept;
    },
    deviceOf: async (presented) => (await presentedBy(presented)).deviceId,
  };
}

function documentOf(
  { der, thumbprint, notBefore, notAfter }: IssuedCertificate,
  { nowMs, ...whose }: { deviceId: string; tokenDigest: string; keyDigest: string; nowMs: number },
): CertificateDocument {
  return {
    _id: thumbprint,
    ...whose,
    certificate: new Binary(der),
    notBefore,
    notAfter,
    issueTime: new Date(nowMs),
  };
}
