/**
 * Certificate authorities that sign devices' certificates. Azure's proof of possession is not asked for: whoever can
 * reach the admin call of a local hub owns it.
 */
import { X509Certificate } from 'node:crypto';
import type { Store } from '../store/store.ts';
import type { Clock } from './clock.ts';
import { openCollection } from './collection.ts';
import { HubError } from './error.ts';
import { thumbprintsOf } from './x509-trust.ts';

export type Authority = {
  name: string;
  certificatePem: string;
  /** SHA-1 of the DER certificate, upper-case hexadecimal, as Azure shows it. */
  thumbprint: string;
  subject: string;
  /** RFC 3339. */
  expiry: string;
  /** RFC 3339. */
  created: string;
};

export type Authorities = {
  /** Throws HubError `ArgumentInvalid` when it is not one certificate of a CA, `Conflict` when the name is taken. */
  add(options: { name: string; certificatePem: string }): Promise<Authority>;
  /** False when there is none of this name. */
  remove(name: string): Promise<boolean>;
  /** Those that were added, without the hub's own. */
  list(): Authority[];
  /** All that are trusted. */
  certificates(): readonly X509Certificate[];
};

export type AuthoritiesOptions = {
  store: Pick<Store, 'documents'>;
  clock: Pick<Clock, 'now'>;
  /** PEM of authorities that are always trusted: the hub's own. */
  own?: readonly string[];
};

const namePattern = /^[A-Za-z0-9._-]{1,64}$/;
const maxPemLength = 16_384;
const maxAuthorities = 25;

/** Reads one PEM certificate of a CA. Throws HubError `ArgumentInvalid`, naming `name`. */
export function readAuthority(name: string, pem: string): X509Certificate {
  const count = pem.match(/-----BEGIN CERTIFICATE-----/g)?.length ?? 0;
  if (count !== 1 || pem.length > maxPemLength) {
    throw new HubError(
      'ArgumentInvalid',
      `The authority "${name}" must be exactly one PEM certificate of at most ${maxPemLength} characters; this has ${count}. Send the root's certificate alone`,
    );
  }
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch (cause) {
    throw new HubError(
      'ArgumentInvalid',
      `The certificate of the authority "${name}" cannot be read. Send it as PEM`,
      {
        cause,
      },
    );
  }
  if (certificate.ca) return certificate;
  throw new HubError(
    'ArgumentInvalid',
    `The certificate "${name}" is not one of a certificate authority (basicConstraints CA is false). Send the certificate that signs your devices' certificates`,
  );
}

/** Opens the authorities that were added before. */
export function openAuthorities({ store, clock, own = [] }: AuthoritiesOptions): Authorities {
  const stored = openCollection<Authority>(store.documents, 'authority');
  const ownCertificates = own.map((pem) => new X509Certificate(pem));
  let trusted: readonly X509Certificate[] | undefined;

  /** Follows a change at once, and again when it is known to be durable or taken back. */
  async function settled(change: Promise<void>): Promise<void> {
    trusted = undefined;
    await change.finally(() => {
      trusted = undefined;
    });
  }

  return {
    async add({ name, certificatePem }) {
      if (!namePattern.test(name)) {
        throw new HubError(
          'ArgumentInvalid',
          `An authority's name has 1 to 64 letters, digits, dots, dashes or underscores; choose another than "${name.slice(0, 80)}"`,
        );
      }
      if (stored.has(name)) {
        throw new HubError(
          'Conflict',
          `The authority "${name}" exists already. Remove it first, or choose another name`,
        );
      }
      if (stored.size >= maxAuthorities) {
        throw new HubError(
          'ArgumentInvalid',
          `The hub has ${maxAuthorities} authorities, its maximum. Remove one first`,
        );
      }
      const certificate = readAuthority(name, certificatePem);
      const authority = {
        name,
        certificatePem: certificate.toString(),
        thumbprint: thumbprintsOf(certificate.raw).sha1,
        subject: certificate.subject.replaceAll('\n', ', '),
        expiry: certificate.validToDate.toISOString(),
        created: new Date(clock.now()).toISOString(),
      };
      await settled(stored.put(name, authority));
      return authority;
    },
    async remove(name) {
      if (!stored.has(name)) return false;
      await settled(stored.remove(name));
      return true;
    },
    list: () => [...stored.values()],
    certificates() {
      trusted ??= [
        ...ownCertificates,
        ...[...stored.values()].map((each) => new X509Certificate(each.certificatePem)),
      ];
      return trusted;
    },
  };
}
