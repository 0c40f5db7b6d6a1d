/** Paths of a file set as the file systems of devices take them. Whoever writes, takes in or applies a manifest asks the same. */

/** Two paths with the same key are one on some file system: Windows ignores case, macOS how an accent is written. */
export const pathKey = (path: string): string => path.normalize('NFC').toLowerCase();
