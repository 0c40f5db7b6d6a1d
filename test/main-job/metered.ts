/** What the local hub has metered, and how near a prediction must be to it. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import type { Environment } from '../../cli/src/dev/environment.ts';

export type Metered = Record<'c2d' | 'd2c' | 'twin', number>;
type Ledger = { byKind: Metered; operationsByKind: Metered };

/** The hub's own account of its day. */
export async function metered({ hub, caPath }: Environment): Promise<Ledger> {
  const [ca, token] = await Promise.all([readFile(caPath), readFile(hub.adminTokenPath, 'utf8')]);
  return new Promise((resolve, reject) => {
    const call = request(
      `https://${hub.hostName}/local-hub/metering`,
      { ca, headers: { authorization: `Bearer ${token.trim()}` } },
      async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk as Buffer);
        resolve((JSON.parse(Buffer.concat(chunks).toString()) as { ledger: Ledger }).ledger);
      },
    );
    call.once('error', reject);
    call.end();
  });
}

/**
 * Within 5 %. Two messages more are nothing: a device that waits for its offer for longer than two seconds, as on a busy machine,
 * asks for it.
 */
export function isNear(what: string, predicted: bigint, actual: number): void {
  const off = Math.abs(Number(predicted) - actual);
  assert.ok(off <= Math.max(2, actual * 0.05), `${what}: ${predicted} predicted, ${actual} metered`);
}
