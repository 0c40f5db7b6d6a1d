/** How the REST API shows an attestation: without keys and certificates, unless they are asked for. */
import type { Attestation, CertificateInfo, CertificatePair } from './enrollment.ts';

type ShownPair = { primary: { info: CertificateInfo }; secondary?: { info: CertificateInfo } };
export type ShownAttestation =
  | { type: 'symmetricKey' }
  | {
      type: 'x509';
      x509:
        | { clientCertificates: ShownPair }
        | { signingCertificates: ShownPair }
        | { caReferences: { primary: string; secondary?: string } };
    };

const infoOnly = ({ primary, secondary }: CertificatePair): ShownPair => ({
  primary: { info: primary.info },
  ...(secondary && { secondary: { info: secondary.info } }),
});

export function showAttestation(attestation: Attestation): ShownAttestation {
  if (attestation.type === 'symmetricKey') return { type: 'symmetricKey' };
  const { x509 } = attestation;
  if ('clientCertificates' in x509)
    return { type: 'x509', x509: { clientCertificates: infoOnly(x509.clientCertificates) } };
  if ('signingCertificates' in x509)
    return { type: 'x509', x509: { signingCertificates: infoOnly(x509.signingCertificates) } };
  return { type: 'x509', x509 };
}
