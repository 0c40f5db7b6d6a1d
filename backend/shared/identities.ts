/** The devices' identities in IoT Hub's registry: what the API and the authentication broker change of them. */
import { randomBytes } from 'node:crypto';
import type { Hub, HubAnswer } from './hub.ts';

export type Identity = {
  deviceId: string;
  enabled: boolean;
  /** SHA-256 or SHA-1 in hex; null: none. */
  primaryThumbprint: string | null;
  secondaryThumbprint: string | null;
};

/** Each throws `HubUnavailableError` when the hub does not carry it out; the same call can succeed later. */
export type Identities = {
  /** Null: there is none. */
  get(deviceId: string): Promise<Identity | null>;
  /**
   * Creates it, enabled but with a thumbprint that no certificate has, so that nothing connects before it is enrolled. One
   * that exists stays as it is.
   */
  ensure(deviceId: string): Promise<void>;
  /** Replaces the thumbprints and the status, whatever they are by now. A disabled device's connections end at once. */
  replace(identity: Identity): Promise<'replaced' | 'unknown'>;
};

/** The hub cannot be reached, throttles, or refuses what it should not. */
export class HubUnavailableError extends Error {
  override readonly name = 'HubUnavailableError';
}

/** The error of an answer that is not what was asked for. */
export function hubFailure(answer: HubAnswer<unknown>): HubUnavailableError {
  const why = answer.kind === 'unreachable' ? answer.reason : answer.kind;
  return new HubUnavailableError(`IoT Hub did not answer as it should: ${why}`);
}

const sha256Bytes = 32;

/** A thumbprint as the registry takes it, that no certificate has. */
export const unusableThumbprint = (): string => randomBytes(sha256Bytes).toString('hex').toUpperCase();

export function createIdentities(hub: Pick<Hub, 'ask'>): Identities {
  return {
    async get(deviceId) {
      const answer = await hub.ask(async (registry) => (await registry.get(deviceId)).responseBody);
      if (answer.kind === 'unknown_device') return null;
      if (answer.kind !== 'done') throw hubFailure(answer);
      return identityOf(answer.value);
    },
    async ensure(deviceId) {
      const identity = { deviceId, enabled: true };
      const thumbprints = { primaryThumbprint: unusableThumbprint(), secondaryThumbprint: null };
      const answer = await hub.ask((registry) => registry.create(bodyOf({ ...identity, ...thumbprints })));
      if (answer.kind !== 'done' && answer.kind !== 'exists') throw hubFailure(answer);
    },
    async replace(identity) {
      const answer = await hub.ask((registry) => registry.update(bodyOf(identity)));
      if (answer.kind === 'unknown_device') return 'unknown';
      if (answer.kind !== 'done') throw hubFailure(answer);
      return 'replaced';
    },
  };
}

function bodyOf({ deviceId, enabled, primaryThumbprint, secondaryThumbprint }: Identity) {
  return {
    deviceId,
    status: enabled ? ('enabled' as const) : ('disabled' as const),
    authentication: {
      type: 'selfSigned' as const,
      x509Thumbprint: { primaryThumbprint, secondaryThumbprint },
    },
  };
}

/** The SDK's type leaves open what its service always sends. */
function identityOf(body: unknown): Identity {
  const { deviceId, status, authentication } = body as {
    deviceId: string;
    status: string;
    authentication?: {
      x509Thumbprint?: { primaryThumbprint?: string | null; secondaryThumbprint?: string | null };
    };
  };
  const { primaryThumbprint, secondaryThumbprint } = authentication?.x509Thumbprint ?? {};
  return {
    deviceId,
    enabled: status === 'enabled',
    primaryThumbprint: primaryThumbprint ?? null,
    secondaryThumbprint: secondaryThumbprint ?? null,
  };
}
