/** A whole hub over TLS, and requests to it as any HTTP client would send them. */
import { once } from 'node:events';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { request } from 'node:https';
import { after } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import type { Finding } from '../diagnostics.ts';
import type { DeviceSpec } from '../engine/identity.ts';
import { signSas } from '../engine/sas.ts';
import { createLocalHub, type LocalHub, type LocalHubOptions } from '../local-hub.ts';

export type Answer = {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** The body as JSON; undefined when it is none. */
  json: unknown;
};

export type Request = {
  /** A shared access policy that signs the token (default iothubowner), or a device that does. */
  as?: { policy: string } | { device: string } | { admin: string } | 'nobody';
  /** Replaces the token. */
  token?: string;
  /** Sent as JSON, unless it is text or bytes. */
  body?: unknown;
  headers?: OutgoingHttpHeaders;
  /** `api-version`; null sends none. */
  version?: string | null;
  cert?: string;
  key?: string;
};

export type Rig = {
  hub: LocalHub;
  /** What the hub warned of, oldest first. */
  warnings: Finding[];
  addDevice(deviceId: string, spec?: Omit<DeviceSpec, 'deviceId'>): Promise<void>;
  token(as: Exclude<Request['as'], 'nobody' | undefined>): string;
  call(method: string, path: string, options?: Request): Promise<Answer>;
  /** A TLS connection for bytes that no HTTP client would send. */
  dial(): Promise<TLSSocket>;
};

const hourMs = 3_600_000;

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Starts a hub for a whole test file. */
export async function startRig(options: LocalHubOptions = {}): Promise<Rig> {
  const warnings: Finding[] = [];
  const log = { info() {}, warn: (finding: Finding) => void warnings.push(finding) };
  const hub = await createLocalHub({ sku: 'off', log, ...options });
  after(() => hub.stop());

  function token(as: Exclude<Request['as'], 'nobody' | undefined>): string {
    const expiresAtMs = Date.now() + hourMs;
    if ('admin' in as) return `Bearer ${as.admin}`;
    if ('policy' in as) {
      const key = hub.engine.policies.get(as.policy)?.primaryKey ?? '';
      return signSas({ resource: hub.hostName, key, policyName: as.policy, expiresAtMs });
    }
    const key = hub.engine.registry.require(as.device).authentication.symmetricKey.primaryKey ?? '';
    return signSas({ resource: `${hub.hostName}/devices/${as.device}`, key, expiresAtMs });
  }

  return {
    hub,
    warnings,
    token,
    addDevice: async (deviceId, spec = {}) => {
      await hub.engine.registry.create({ deviceId, ...spec });
    },
    async call(method, path, given = {}) {
      const { as = { policy: 'iothubowner' }, body, version = '2021-04-12', cert, key } = given;
      const authorization = given.token ?? (as === 'nobody' ? undefined : token(as));
      const content =
        body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
      const query = version === null ? '' : `${path.includes('?') ? '&' : '?'}api-version=${version}`;
      const sent = request(`https://127.0.0.1:${hub.port}${path}${query}`, {
        method,
        ca: hub.caPem,
        agent: false,
        headers: { ...(authorization !== undefined && { authorization }), ...given.headers },
        ...(cert !== undefined && { cert }),
        ...(key !== undefined && { key }),
      });
      sent.end(content);
      const [response] = await once(sent, 'response');
      const chunks = (await response.toArray()) as Buffer[];
      const text = Buffer.concat(chunks).toString();
      return { status: response.statusCode, headers: response.headers, text, json: jsonOf(text) };
    },
    async dial() {
      const socket = connect({ host: '127.0.0.1', port: hub.port, ca: hub.caPem });
      socket.on('error', () => {});
      after(() => socket.destroy());
      await once(socket, 'secureConnect');
      return socket;
    },
  };
}
