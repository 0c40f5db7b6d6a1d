// The entry of the package: the TypeScript sources inside their repository, which Node.js runs directly there, and the built
// files where the package was installed, which has no sources.
import { existsSync } from 'node:fs';

const source = new URL('./src/index.ts', import.meta.url);
const built = new URL('./dist/index.js', import.meta.url);

export const { createLocalHub, createLog, createManualClock, silentLog } = await import(
  (existsSync(source) ? source : built).href
);
