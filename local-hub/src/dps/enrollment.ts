/**
 * Enrollments in the JSON shape of the Device Provisioning Service's REST API (2021-10-01): who may register, and what becomes
 * of them. The allocation of several hubs, TPM attestation and custom allocation are not implemented.
 */
import type { JsonObject } from '../engine/twin.ts';

export type SymmetricKeyAttestation = {
  type: 'symmetricKey';
  symmetricKey: { primaryKey: string; secondaryKey: string };
};

/** What the service tells of a certificate instead of the certificate itself. */
export type CertificateInfo = {
  subjectName: string;
  sha1Thumbprint: string;
  sha256Thumbprint: string;
  issuerName: string;
  notBeforeUtc: string;
  notAfterUtc: string;
  serialNumber: string;
  version: number;
};

/** PEM, and what it says. */
export type EnrolledCertificate = { certificate: string; info: CertificateInfo };
export type CertificatePair = { primary: EnrolledCertificate; secondary?: EnrolledCertificate };

export type X509Attestation = {
  type: 'x509';
  x509:
    | { clientCertificates: CertificatePair }
    | { signingCertificates: CertificatePair }
    /** Names of authorities that were added to the hub. */
    | { caReferences: { primary: string; secondary?: string } };
};

export type Attestation = SymmetricKeyAttestation | X509Attestation;

/** What individual enrollments and groups have in common. */
export type EnrollmentTerms = {
  attestation: Attestation;
  capabilities: { iotEdge: boolean };
  initialTwin?: { tags?: JsonObject; properties?: { desired?: JsonObject } };
  provisioningStatus: 'enabled' | 'disabled';
  reprovisionPolicy: { updateHubAssignment: boolean; migrateDeviceData: boolean };
  /** Changes with each change; without quotes. */
  etag: string;
  createdDateTimeUtc: string;
  lastUpdatedDateTimeUtc: string;
};

/** One device. `deviceId` is the identity it gets; default its registration id. */
export type IndividualEnrollment = EnrollmentTerms & { registrationId: string; deviceId?: string };

/** All devices that hold a key derived from the group's, or a certificate that its authority signed. */
export type EnrollmentGroup = EnrollmentTerms & { enrollmentGroupId: string };

/** What a device is told of its registration. */
export type RegistrationState = {
  registrationId: string;
  createdDateTimeUtc: string;
  /** The hub's host name, with its port. */
  assignedHub: string;
  deviceId: string;
  /** `assigning` until the identity and its first twin are durable. */
  status: 'assigning' | 'assigned' | 'failed';
  substatus?: 'initialAssignment';
  errorCode?: number;
  errorMessage?: string;
  lastUpdatedDateTimeUtc: string;
  etag: string;
  symmetricKey?: { enrollmentGroupId?: string };
  x509?: { enrollmentGroupId?: string; certificateInfo: CertificateInfo };
};

/** A registration as it is stored: by registration id in lower case, because the service does not tell case apart. */
export type RegistrationRecord = {
  state: RegistrationState;
  operationId: string;
  enrollmentGroupId?: string;
};
