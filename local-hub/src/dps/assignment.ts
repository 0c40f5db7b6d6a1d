/**
 * Assigns a registered device to the hub: makes its identity, or gives the one that is there the credentials that its
 * enrollment says now. An identity that exists keeps its twin ("IoT Hub Device reprovisioning concepts").
 */
import type { Engine } from '../engine/engine.ts';
import type { DeviceSpec } from '../engine/identity.ts';
import type { EnrollmentTerms } from './enrollment.ts';

export type Assignment = {
  deviceId: string;
  authentication: NonNullable<DeviceSpec['authentication']>;
  terms: Pick<EnrollmentTerms, 'capabilities' | 'initialTwin'>;
  /** True when an earlier attempt did not come to its end: its identity may be there without the first twin. */
  isRepeated: boolean;
};

/** Whether an identity has these credentials already, so that a repeated registration writes nothing. */
function hasCredentials(
  current: DeviceSpec['authentication'],
  wanted: Assignment['authentication'],
): boolean {
  if (current?.type !== wanted.type) return false;
  return wanted.type === 'sas'
    ? current?.symmetricKey?.primaryKey === wanted.symmetricKey?.primaryKey &&
        current?.symmetricKey?.secondaryKey === wanted.symmetricKey?.secondaryKey
    : current?.x509Thumbprint?.primaryThumbprint === wanted.x509Thumbprint?.primaryThumbprint &&
        current?.x509Thumbprint?.secondaryThumbprint === wanted.x509Thumbprint?.secondaryThumbprint;
}

/** Resolves when the identity and its first twin are durable. Throws HubError, as the registry and the twins do. */
export async function assignDevice(
  { registry, twins }: Pick<Engine, 'registry' | 'twins'>,
  { deviceId, authentication, terms, isRepeated }: Assignment,
): Promise<void> {
  const { capabilities, initialTwin } = terms;
  const isNew = !registry.has(deviceId);
  if (isNew) await registry.create({ deviceId, authentication, capabilities });
  else {
    const { authentication: current, status, statusReason } = registry.require(deviceId);
    if (!hasCredentials(current, authentication))
      await registry.update({ deviceId, authentication, status, statusReason, capabilities });
  }
  const tags = initialTwin?.tags;
  const desired = initialTwin?.properties?.desired;
  if ((isNew || isRepeated) && (tags !== undefined || desired !== undefined))
    await twins.update(deviceId, { tags, desired }, { replace: false });
}
