/** Why metadata, or a manifest that they do not vouch for, are refused: a closed list of rules, each with a sentence for people. */

export type Rule =
  /** Nothing says whom to trust. */
  | 'no_anchor'
  /** A file that the workflow needs was not offered or did not come. */
  | 'missing_metadata'
  | 'too_large'
  /** It cannot be read as what it is called. */
  | 'malformed'
  /** Fewer valid signatures than the threshold asks for, or none of the right keys. */
  | 'unsigned'
  /** Older than what was seen before. */
  | 'rollback'
  /** By the trusted time it is no longer good: somebody withholds newer metadata, or nobody has made any. */
  | 'expired'
  /** Good for longer than an author may make it: only whoever takes it in from an author asks that. */
  | 'ends_too_late'
  /** Not the bytes that signed metadata name. */
  | 'wrong_bytes'
  /** Its version is not the one that signed metadata name. */
  | 'wrong_version'
  /** It uses a part of TUF that this project does not. */
  | 'unsupported'
  /** The metadata are good, and the manifest is not among what they vouch for. */
  | 'not_a_target'
  /** The manifest is, but with another size, digest or kind. */
  | 'another_target';

export type Refused = { kind: 'refused'; rule: Rule; detail: string };

export const refused = (rule: Rule, detail: string): Refused => ({ kind: 'refused', rule, detail });
