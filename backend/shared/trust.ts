/** Whom this process trusts in TLS, besides the authorities that Node brings. */
import { readFileSync } from 'node:fs';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';

/**
 * Adds an authority for all connections that the process opens from now on: the local hub and Azurite have one of their own,
 * and Microsoft's SDKs offer no option for it. Throws when the text holds no certificate.
 */
export function trustAuthority(caPem: string): void {
  if (!caPem.includes('-----BEGIN CERTIFICATE-----'))
    throw new Error('the authority to trust is not a certificate');
  setDefaultCACertificates([...getCACertificates('default'), caPem]);
}

/** The same from a file. */
export function trustAuthorityFile(path: string): void {
  trustAuthority(readFileSync(path, 'utf8'));
}
