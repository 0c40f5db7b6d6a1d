/**
 * The errors of the Device Provisioning Service in the shape that it sends: towards devices in the body of an answer, towards
 * services as an HTTP status with the same body (REST API 2021-10-01, ProvisioningServiceErrorDetails).
 */
import { randomUUID } from 'node:crypto';

/** The service's numeric codes; the first three digits are the HTTP status. */
const errorCodes = {
  ArgumentInvalid: 400000,
  Unauthorized: 401002,
  EnrollmentNotFound: 404201,
  RegistrationNotFound: 404202,
  EnrollmentConflict: 409201,
  PreconditionFailed: 412201,
  ServerError: 500000,
} as const;

export type ProvisioningErrorCode = keyof typeof errorCodes;

/** The JSON body of an error. */
export type ProvisioningErrorBody = {
  errorCode: number;
  trackingId: string;
  message: string;
  timestampUtc: string;
};

/** `message` goes to the client; `cause` and the reason in the log do not. */
export class ProvisioningError extends Error {
  override readonly name = 'ProvisioningError';
  readonly code: ProvisioningErrorCode;
  readonly trackingId: string = randomUUID();

  constructor(code: ProvisioningErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get errorCode(): number {
    return errorCodes[this.code];
  }

  /** The HTTP status, and the status in the topic of an MQTT answer. */
  get status(): number {
    return Math.floor(this.errorCode / 1000);
  }

  body(nowMs: number): ProvisioningErrorBody {
    const { errorCode, trackingId, message } = this;
    return { errorCode, trackingId, message, timestampUtc: new Date(nowMs).toISOString() };
  }
}
