/** What is wrong with an audit trail: a closed list, each finding with the ids that it is about. */

export type FindingKind =
  /** A line that is no record of the contract, or of a kind that this version does not know. */
  | 'unreadable'
  /** A decision without a signature. */
  | 'unsigned'
  /** The signature does not fit, or what stands beside it says something else than what was signed. */
  | 'tampered'
  /** Signed with a key that neither a given root certifies nor somebody has named. */
  | 'untrusted'
  /** The certificate was not valid at the time of the decision. */
  | 'not_valid_then'
  /** Signed by, or for, another device than the one that it is filed under. */
  | 'foreign'
  /** Numbers of a chain for which there is no record. */
  | 'missing'
  /** Two different records with one number of a chain, or one that does not name the record before it. */
  | 'broken_chain'
  /** A record that stands before one with a lower number of its chain. */
  | 'reordered'
  /** An update that was applied without a confirmation that led to it. */
  | 'no_evidence';

export type Finding = {
  kind: FindingKind;
  deviceId: string;
  /** The consent, or what identifies a move or a line: `journal/sequence`, `line 7`. */
  subject: string;
  detail: string;
};
