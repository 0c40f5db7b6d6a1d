/** For tests that are not about signatures: whatever the manifest, it is signed. */
import type { Vouching } from '../vouching.ts';

export const vouched: Vouching = { lacking: () => [], verify: async () => ({ kind: 'here' }) };
