/** Empties what is queued for a device, in the hub and then on the device itself. */
import { create } from '@bufbuild/protobuf';
import { type PurgeDeviceResponse, PurgeDeviceResponseSchema } from '@iotdh/proto/fleet/v1';
import { hubFailure } from '../../../shared/identities.ts';
import type { Fleet } from '../fleet.ts';
import { deviceNamed } from './find.ts';

/** As operators know it from `az iot hub invoke-device-method`. */
const methodName = 'cloudtodevicepurge';
/** The agent drains until it is quiet for a moment; 10 s at most. */
const responseTimeoutMs = 15_000;

export async function purgeDevice(fleet: Fleet, deviceId: string): Promise<PurgeDeviceResponse> {
  await deviceNamed(fleet, deviceId);
  const inHub = await fleet.hub.purge(deviceId);
  // Without an identity there is no queue.
  if (inHub.kind !== 'done' && inHub.kind !== 'unknown_device') throw hubFailure(inHub);
  const onDevice = await fleet.hub.invoke(deviceId, { name: methodName, payload: null, responseTimeoutMs });
  const { totalMessagesPurged } = ((onDevice.kind === 'done' ? onDevice.value.payload : null) ?? {}) as {
    totalMessagesPurged?: unknown;
  };
  return create(PurgeDeviceResponseSchema, {
    hubMessages: countOf(inHub.kind === 'done' ? inHub.value : 0) ?? 0n,
    deviceMessages: countOf(totalMessagesPurged),
  });
}

/** A device may answer anything. */
const countOf = (value: unknown): bigint | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : undefined;
