/** Which enrollment a device that asks to be registered comes by: its own, or a group's. */
import { X509Certificate } from 'node:crypto';
import type { Engine } from '../engine/engine.ts';
import type { EnrollmentGroup, EnrollmentTerms, IndividualEnrollment } from './enrollment.ts';
import type { Enrollments } from './enrollments.ts';
import {
  type Proof,
  type ProofContext,
  proveIndividual,
  proveMember,
  type RegistrationCaller,
} from './proof.ts';

export type Admission =
  | {
      ok: true;
      authentication: Extract<Proof, { ok: true }>['authentication'];
      deviceId: string;
      terms: EnrollmentTerms;
      /** Undefined for an individual enrollment. */
      enrollmentGroupId: string | undefined;
    }
  /** A clause for the log, and what to do about it. */
  | { ok: false; reason: string; next: string };

export type AdmissionOptions = {
  scopeId: string;
  individuals: Enrollments<IndividualEnrollment>;
  groups: Enrollments<EnrollmentGroup>;
  authorities: Engine['authorities'];
};

const disabled: Admission = {
  ok: false,
  reason: 'its enrollment is disabled',
  next: 'Set provisioningStatus to enabled',
};

/** Decides about a caller. An individual enrollment counts before any group, even when it refuses. */
export function admit(caller: RegistrationCaller, nowMs: number, options: AdmissionOptions): Admission {
  const { scopeId, individuals, groups, authorities } = options;
  const { registrationId } = caller;
  if (caller.scopeId !== scopeId)
    return {
      ok: false,
      reason: `it asked for the id scope ${caller.scopeId}`,
      next: `The id scope of this hub is ${scopeId}`,
    };
  const certificate = (pem: string) => new X509Certificate(pem);
  const context: ProofContext = {
    nowMs,
    certificate,
    authority(name) {
      const authority = authorities.list().find((each) => each.name === name);
      return authority && certificate(authority.certificatePem);
    },
  };

  const individual = individuals.find(registrationId);
  if (individual !== undefined) {
    if (individual.provisioningStatus === 'disabled') return disabled;
    const proof = proveIndividual(caller, individual, context);
    if (!proof.ok)
      return { ok: false, reason: proof.reason, next: 'Compare it with its individual enrollment' };
    const { authentication } = proof;
    const deviceId = individual.deviceId ?? individual.registrationId;
    return { ok: true, authentication, deviceId, terms: individual, enrollmentGroupId: undefined };
  }

  let refusal = 'it is not enrolled, and there are no enrollment groups';
  for (const group of groups.values()) {
    const { enrollmentGroupId } = group;
    const proof = proveMember(caller, group, context);
    if (!proof.ok) {
      refusal = `no enrollment group takes it; ${enrollmentGroupId} says: ${proof.reason}`;
      continue;
    }
    if (group.provisioningStatus === 'disabled') return disabled;
    const { authentication } = proof;
    return { ok: true, authentication, deviceId: registrationId, terms: group, enrollmentGroupId };
  }
  return { ok: false, reason: refusal, next: 'Enroll it' };
}
