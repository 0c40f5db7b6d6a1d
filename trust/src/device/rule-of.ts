/** What the library throws, as a rule of ours. Its classes are not all exported, so they are told by their names. */
import type { Role } from '../format/limits.ts';
import { type Refused, type Rule, refused } from '../format/refusal.ts';

const rules: Readonly<Record<string, Rule>> = {
  UnsignedMetadataError: 'unsigned',
  ExpiredMetadataError: 'expired',
  LengthOrHashMismatchError: 'wrong_bytes',
  BadVersionError: 'rollback',
  EqualVersionError: 'rollback',
};

export function ruleOf(role: Role, error: unknown): Refused {
  const thrown = error instanceof Error ? error : new Error(String(error));
  return refused(rules[thrown.constructor.name] ?? 'malformed', `${role} metadata: ${thrown.message}`);
}
