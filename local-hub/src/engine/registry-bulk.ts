/** Up to 100 registry operations in one request (`POST /devices`): each succeeds or fails by itself. */
import { HubError, isHubError } from './error.ts';
import type { DeviceSpec } from './identity.ts';
import type { Registry } from './registry.ts';

/** The REST API's `importMode`. */
export type BulkMode =
  | 'create'
  | 'update'
  | 'updateIfMatchETag'
  | 'createOrUpdate'
  | 'createOrUpdateIfMatchETag'
  | 'delete'
  | 'deleteIfMatchETag';

/** `etag` is what the IfMatchETag modes compare. */
export type BulkOperation = { mode: BulkMode; device: DeviceSpec; etag?: string | undefined };

/** With the REST API's names; `errorCode` is a HubErrorCode. */
export type BulkError = { deviceId: string; errorCode: string; errorStatus: string };
export type BulkResult = { isSuccessful: boolean; errors: BulkError[]; warnings: [] };

const maxOperations = 100;

async function run(registry: Registry, operation: BulkOperation): Promise<void> {
  const { mode, device } = operation;
  const conditional = mode.endsWith('IfMatchETag');
  if (conditional && !operation.etag && registry.has(device.deviceId)) {
    throw new HubError(
      'ArgumentInvalid',
      `Device "${device.deviceId}": ${mode} needs its etag. Read the device first`,
    );
  }
  const ifMatch = conditional ? operation.etag : undefined;
  switch (mode) {
    case 'create':
      await registry.create(device);
      return;
    case 'update':
    case 'updateIfMatchETag':
      await registry.update(device, ifMatch);
      return;
    case 'createOrUpdate':
    case 'createOrUpdateIfMatchETag':
      await (registry.has(device.deviceId) ? registry.update(device, ifMatch) : registry.create(device));
      return;
    case 'delete':
    case 'deleteIfMatchETag':
      await registry.remove(device.deviceId, ifMatch);
      return;
    default:
      throw new HubError(
        'ArgumentInvalid',
        `"${String(mode).slice(0, 40)}" is not an import mode. Use create, update or delete`,
      );
  }
}

/** Runs the operations in order. Throws HubError `ArgumentInvalid` for none, or for more than 100. */
export async function runBulk(registry: Registry, operations: readonly BulkOperation[]): Promise<BulkResult> {
  if (operations.length === 0 || operations.length > maxOperations) {
    throw new HubError(
      'ArgumentInvalid',
      `A bulk request has 1 to ${maxOperations} devices, not ${operations.length}. Split it`,
    );
  }
  // All are begun before the first is awaited, so that they share one commit.
  const outcomes = await Promise.allSettled(operations.map((operation) => run(registry, operation)));
  const errors: BulkError[] = [];
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === 'fulfilled') continue;
    if (!isHubError(outcome.reason)) throw outcome.reason;
    const deviceId = operations[index]?.device.deviceId ?? '';
    errors.push({ deviceId, errorCode: outcome.reason.code, errorStatus: outcome.reason.message });
  }
  return { isSuccessful: errors.length === 0, errors, warnings: [] };
}
