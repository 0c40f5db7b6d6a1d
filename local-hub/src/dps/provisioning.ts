/**
 * The Device Provisioning Service of the local hub: who is enrolled, registration of devices, and what is known of those that
 * registered. It has one hub to assign devices to: its own.
 */
import { randomBytes, randomUUID, X509Certificate } from 'node:crypto';
import type { Log } from '../diagnostics.ts';
import type { Clock } from '../engine/clock.ts';
import { openCollection } from '../engine/collection.ts';
import type { Engine } from '../engine/engine.ts';
import { isHubError } from '../engine/error.ts';
import { randomEtag } from '../engine/etag.ts';
import type { Documents } from '../store/store.ts';
import { type Admission, admit } from './admission.ts';
import { assignDevice } from './assignment.ts';
import { certificateInfoOf } from './certificate-info.ts';
import type {
  EnrollmentGroup,
  IndividualEnrollment,
  RegistrationRecord,
  RegistrationState,
} from './enrollment.ts';
import { invalid, isObject, textIn } from './enrollment-input.ts';
import { createEnrollments, type Enrollments } from './enrollments.ts';
import { ProvisioningError } from './error.ts';
import type { RegistrationCaller } from './proof.ts';
import { createRegistrations, type Registrations } from './registrations.ts';

export type { RegistrationCaller } from './proof.ts';

/** An answer to a device: the status and the JSON body, and when to ask again. */
export type RegistrationAnswer = { status: number; body: object; retryAfterSeconds?: number };

export type Provisioning = {
  /** What devices must give as their id scope. */
  readonly scopeId: string;
  readonly individuals: Enrollments<IndividualEnrollment>;
  readonly groups: Enrollments<EnrollmentGroup>;
  readonly registrations: Registrations;
  /** Registers a device; `body` is its request as JSON text. The answer may be an error, but the promise never rejects. */
  register(caller: RegistrationCaller, body: Buffer): Promise<RegistrationAnswer>;
  /** How far a registration is. Never rejects. */
  status(caller: RegistrationCaller, operationId: string): Promise<RegistrationAnswer>;
};

export type ProvisioningOptions = {
  engine: Pick<Engine, 'registry' | 'twins' | 'authorities'>;
  documents: Documents;
  clock: Pick<Clock, 'now'>;
  log: Log;
  /** The hub's name as devices reach it, with its port. */
  hostName: string;
  /** Default `0ne00000000`. */
  scopeId?: string;
  /** When a device shall ask how far its registration is. Default 1; Azure says 3. */
  retryAfterSeconds?: number;
};

const defaultScopeId = '0ne00000000';
const maxBodyBytes = 64 * 1024;

function openIndividuals(documents: Documents, clock: ProvisioningOptions['clock']) {
  return createEnrollments<IndividualEnrollment>({
    stored: openCollection(documents, 'enrollment'),
    clock,
    idField: 'registrationId',
    complete(registrationId, body, terms) {
      const { attestation } = terms;
      if (attestation.type === 'x509' && !('clientCertificates' in attestation.x509))
        throw invalid('An individual enrollment needs x509.clientCertificates');
      const deviceId = textIn(body, 'deviceId');
      return { registrationId, ...(deviceId !== undefined && { deviceId }), ...terms };
    },
  });
}

function openGroups(documents: Documents, clock: ProvisioningOptions['clock']) {
  return createEnrollments<EnrollmentGroup>({
    stored: openCollection(documents, 'enrollmentGroup'),
    clock,
    idField: 'enrollmentGroupId',
    complete(enrollmentGroupId, _body, terms) {
      const { attestation } = terms;
      if (attestation.type === 'x509' && 'clientCertificates' in attestation.x509)
        throw invalid('An enrollment group needs x509.signingCertificates or x509.caReferences');
      return { enrollmentGroupId, ...terms };
    },
  });
}

/** Checks the request of a device: a JSON object that, if it names a registration, names its own. */
function checkRequest(body: Buffer, registrationId: string): void {
  if (body.length > maxBodyBytes) throw invalid('The request is larger than 64 KiB');
  let request: unknown;
  try {
    request = JSON.parse(body.toString('utf8'));
  } catch {
    throw invalid('The request is not JSON');
  }
  const named = isObject(request) ? textIn(request, 'registrationId') : undefined;
  if (!isObject(request)) throw invalid('The request must be a JSON object');
  if (named !== undefined && named.toLowerCase() !== registrationId.toLowerCase())
    throw invalid(`The request is for ${named}, but the connection is that of ${registrationId}`);
}

/** How the device proved itself, as its registration shows it. */
function proofOf(
  { clientCertificate }: RegistrationCaller,
  { authentication, enrollmentGroupId }: Extract<Admission, { ok: true }>,
): Pick<RegistrationState, 'symmetricKey' | 'x509'> {
  const group = enrollmentGroupId !== undefined && { enrollmentGroupId };
  if (authentication.type === 'sas' || clientCertificate === undefined) return { symmetricKey: { ...group } };
  const certificateInfo = certificateInfoOf(new X509Certificate(clientCertificate.der));
  return { x509: { ...group, certificateInfo } };
}

/** Opens the service over what is stored. */
export function createProvisioning(options: ProvisioningOptions): Provisioning {
  const { engine, documents, clock, log, hostName } = options;
  const { scopeId = defaultScopeId, retryAfterSeconds = 1 } = options;
  const individuals = openIndividuals(documents, clock);
  const groups = openGroups(documents, clock);
  const registrations = createRegistrations(openCollection<RegistrationRecord>(documents, 'registration'));

  function requireAdmission(caller: RegistrationCaller): Extract<Admission, { ok: true }> {
    const { authorities } = engine;
    const admission = admit(caller, clock.now(), { scopeId, individuals, groups, authorities });
    if (admission.ok) return admission;
    const { registrationId: deviceId, remote } = caller;
    const { reason, next } = admission;
    log.warn({ what: `Registration from ${remote} refused`, deviceId, reason, next });
    throw new ProvisioningError('Unauthorized', 'Unauthorized');
  }

  /** Answers with what `run` says, or with the error that it throws. */
  async function answer(
    { registrationId }: RegistrationCaller,
    run: () => Promise<RegistrationAnswer>,
  ): Promise<RegistrationAnswer> {
    try {
      return await run();
    } catch (error) {
      const known =
        error instanceof ProvisioningError
          ? error
          : new ProvisioningError('ServerError', 'The service failed.', { cause: error });
      if (known.code !== 'Unauthorized')
        log.warn({
          what: 'Registration failed',
          deviceId: registrationId,
          reason: error instanceof Error ? error.message : String(error),
        });
      return { status: known.status, body: known.body(clock.now()) };
    }
  }

  /** Assigns the device, and keeps what came of it before and after, so that a crash in between can be made good. */
  async function assign(
    caller: RegistrationCaller,
    admission: Extract<Admission, { ok: true }>,
    operationId: string,
  ): Promise<void> {
    const { deviceId, enrollmentGroupId } = admission;
    const previous = registrations.find(caller.registrationId)?.state;
    const now = () => new Date(clock.now()).toISOString();
    const begun: RegistrationState = {
      ...proofOf(caller, admission),
      registrationId: caller.registrationId,
      createdDateTimeUtc: previous?.createdDateTimeUtc ?? now(),
      assignedHub: hostName,
      deviceId,
      status: 'assigning',
      lastUpdatedDateTimeUtc: now(),
      etag: randomEtag(),
    };
    const save = (change: Partial<RegistrationState>) =>
      registrations.save({
        operationId,
        ...(enrollmentGroupId !== undefined && { enrollmentGroupId }),
        state: { ...begun, ...change, lastUpdatedDateTimeUtc: now() },
      });
    await save({});
    try {
      await assignDevice(engine, { ...admission, isRepeated: previous?.status === 'assigning' });
    } catch (error) {
      if (!isHubError(error)) throw error;
      log.warn({ what: 'Device not assigned', deviceId, reason: error.message });
      await save({ status: 'failed', errorCode: 400000, errorMessage: error.message });
      return;
    }
    await save({ status: 'assigned', substatus: 'initialAssignment' });
  }

  return {
    scopeId,
    individuals,
    groups,
    registrations,

    register: (caller, body) =>
      answer(caller, async () => {
        checkRequest(body, caller.registrationId);
        const admission = requireAdmission(caller);
        const operationId = `5.${randomBytes(8).toString('hex')}.${randomUUID()}`;
        await assign(caller, admission, operationId);
        return { status: 202, body: { operationId, status: 'assigning' }, retryAfterSeconds };
      }),

    status: (caller, operationId) =>
      answer(caller, async () => {
        requireAdmission(caller);
        const record = registrations.find(caller.registrationId);
        if (record === undefined || record.operationId !== operationId)
          throw new ProvisioningError('RegistrationNotFound', `There is no operation ${operationId}.`);
        const { status } = record.state;
        return status === 'assigning'
          ? { status: 202, body: { operationId, status }, retryAfterSeconds }
          : { status: 200, body: { operationId, status, registrationState: record.state } };
      }),
  };
}
