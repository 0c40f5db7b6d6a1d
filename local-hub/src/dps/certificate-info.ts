/** What the service tells of a certificate (REST API 2021-10-01, X509CertificateInfo). */
import type { X509Certificate } from 'node:crypto';
import { thumbprintsOf } from '../engine/x509-trust.ts';
import type { CertificateInfo } from './enrollment.ts';

const oneLine = (name: string): string => name.replaceAll('\n', ', ');

export function certificateInfoOf(certificate: X509Certificate): CertificateInfo {
  const { sha1, sha256 } = thumbprintsOf(certificate.raw);
  return {
    subjectName: oneLine(certificate.subject),
    sha1Thumbprint: sha1,
    sha256Thumbprint: sha256,
    issuerName: oneLine(certificate.issuer),
    notBeforeUtc: certificate.validFromDate.toISOString(),
    notAfterUtc: certificate.validToDate.toISOString(),
    serialNumber: certificate.serialNumber,
    version: 3,
  };
}
