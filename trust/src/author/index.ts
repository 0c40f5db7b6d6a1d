/** The author's and the repository's side: keys, and metadata that are signed with them. */
export { Key, Metadata, Root, Snapshot, Targets, Timestamp } from '@tufjs/models';
export { issuedMs } from '../format/issued.ts';
export { maxBytes, maxRootRotations, type Role, roles } from '../format/limits.ts';
export { fileName, type ManifestKind, type ManifestName, targetPath } from '../format/names.ts';
export { type MetadataOf, readMetadata } from '../format/read-metadata.ts';
export type { Refused, Rule } from '../format/refusal.ts';
export { type Accepted, acceptRoot, acceptTargets, endsTooLate } from './accept.ts';
export { canonicalJson } from './canonical-json.ts';
export { KeyVaultError, type KeyVaultOptions, openKeyVaultSigner } from './key-vault.ts';
export {
  generatePrivateKey,
  hasItsId,
  isEncrypted,
  KeyFileError,
  type KeyType,
  keySigner,
  keyTypes,
  publicKeyOf,
  readKeyFile,
  type Signer,
  writeKeyFile,
} from './keys.ts';
export { makeSnapshot, makeTimestamp } from './online.ts';
export {
  latestEndMs,
  lifetimeMs,
  makeRoot,
  nextRoot,
  type RoleSetting,
  type RootSettings,
  settingsOf,
} from './roots.ts';
export { addSignature, encodeMetadata, type Threshold, thresholdOf } from './sign.ts';
export { nextTargets, type SignedManifest, signedAs, signedManifests } from './targets.ts';
