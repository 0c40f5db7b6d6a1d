/** The device's side: verifies, and never signs. */

export type { Role } from '../format/limits.ts';
export { maxBytes, maxRootRotations, roles } from '../format/limits.ts';
export { type ManifestKind, type ManifestName, targetPath } from '../format/names.ts';
export type { Refused, Rule } from '../format/refusal.ts';
export {
  type BroughtFile,
  createDeviceTrust,
  type DeviceTrust,
  type DeviceTrustOptions,
  type OfferedFile,
  type OfferedManifest,
  type Verdict,
} from './device-trust.ts';
export { folderStorage, memoryStorage, type Storage } from './storage.ts';
