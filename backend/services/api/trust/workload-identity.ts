/**
 * Tokens for Azure's services, as Kubernetes' workload identity gives them: the pod's own token, a file that is renewed, is exchanged at
 * Microsoft Entra ID for one of the service. There is no secret to keep.
 */
import { readFile } from 'node:fs/promises';

export type WorkloadIdentityOptions = {
  /** What Azure's webhook sets in a pod. */
  tenantId: string;
  clientId: string;
  tokenFile: string;
  authorityHost: string;
  /** What the token is for, such as `https://vault.azure.net/.default`. */
  scope: string;
  fetch?: typeof fetch;
  now: () => number;
  /** How long the exchange may take, in ms. Default 15,000. */
  timeoutMs?: number;
};

/** A token that ends within this is not used any more. */
const reserveMs = 5 * 60_000;
const maxAnswerBytes = 64 * 1024;

/** Calls that overlap share one exchange. The rejection says why, without a token. */
export function createWorkloadIdentity(options: WorkloadIdentityOptions): () => Promise<string> {
  const { tenantId, clientId, tokenFile, authorityHost, scope, now, timeoutMs = 15_000 } = options;
  const request = options.fetch ?? fetch;
  const address = new URL(`${encodeURIComponent(tenantId)}/oauth2/v2.0/token`, authorityHost);
  let held: { token: string; untilMs: number } | null = null;
  let exchanging: Promise<string> | null = null;

  async function exchange(): Promise<string> {
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: (await readFile(tokenFile, 'utf8')).trim(),
      scope,
    });
    const response = await request(address, {
      ...{ method: 'POST', body: form, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) },
    });
    const answer = await readAnswer(response);
    const { access_token: token, expires_in: seconds } = answer;
    if (response.status !== 200 || typeof token !== 'string' || !(Number(seconds) > 0)) {
      const why = typeof answer.error === 'string' ? `: ${answer.error.slice(0, 100)}` : '';
      throw new Error(`${address.host} gives client ${clientId} no token (${response.status}${why})`);
    }
    held = { token, untilMs: now() + Number(seconds) * 1_000 };
    return token;
  }

  return async () => {
    if (held !== null && now() < held.untilMs - reserveMs) return held.token;
    exchanging ??= exchange().finally(() => {
      exchanging = null;
    });
    return exchanging;
  };
}

async function readAnswer(response: Response): Promise<Record<string, unknown>> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of response.body ?? []) {
    length += piece.length;
    if (length > maxAnswerBytes) return {};
    pieces.push(piece);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(pieces).toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
