/**
 * The key of one device of a symmetric key enrollment group ("Symmetric key attestation", Group enrollments): each device can
 * be given its own in the factory, without the group's key ever leaving it.
 */
import { createHmac } from 'node:crypto';

/** HMAC-SHA256 of the registration id under the base64-decoded group key, as base64. */
export function deriveDeviceKey(groupKey: string, registrationId: string): string {
  return createHmac('sha256', Buffer.from(groupKey, 'base64')).update(registrationId).digest('base64');
}
