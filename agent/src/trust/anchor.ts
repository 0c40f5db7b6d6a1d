/** The trust anchor: the first root that this machine trusts, put on it by whoever installs the agent. */
import { readFileSync, statSync } from 'node:fs';
import { maxBytes } from '@iotdh/trust/device';

/** Throws with what is wrong with the file. Its signatures are looked at when a manifest is to be verified. */
export function readAnchor(path: string): Buffer {
  if (statSync(path).size > maxBytes.root) throw new Error(`${path} is no root metadata: it is too long`);
  const bytes = readFileSync(path);
  let parsed: { signed?: { _type?: unknown } } | null;
  try {
    parsed = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new Error(`${path} is no root metadata: it is not JSON`);
  }
  if (parsed?.signed?._type !== 'root') throw new Error(`${path} is no root metadata of TUF`);
  return bytes;
}
