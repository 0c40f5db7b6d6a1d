/** The transfers that began with a signed manifest: the last few, so that a long one is not taken back when metadata run out. */
import type { Storage } from './storage.ts';

const file = 'begun.json';
const maxKept = 16;

export type Begun = { has(transfer: string): boolean; add(transfer: string): void };

export function openBegun(storage: Storage): Begun {
  let transfers = read(storage);
  return {
    has: (transfer) => transfers.includes(transfer),
    add(transfer) {
      if (transfers.includes(transfer)) return;
      transfers = [...transfers, transfer].slice(-maxKept);
      storage.write(file, Buffer.from(`${JSON.stringify(transfers)}\n`));
    },
  };
}

/** A damaged file only means that expiry is judged once more. */
function read(storage: Storage): string[] {
  try {
    const parsed: unknown = JSON.parse(storage.read(file)?.toString('utf8') ?? '[]');
    return Array.isArray(parsed) ? parsed.filter((entry) => typeof entry === 'string') : [];
  } catch {
    return [];
  }
}
