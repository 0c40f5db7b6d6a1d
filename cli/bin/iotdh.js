#!/usr/bin/env node
// Starts the command line: from the TypeScript sources inside their repository, from the built files where the package was
// installed. Plain old JavaScript, so that an old Node.js gets as far as the message.
import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 12)) {
  console.error(
    `iotdh needs Node.js 24.12 or newer; this is ${process.versions.node}.\n` +
      'Inside the repository, ./node_modules/.bin/node is one.',
  );
  process.exit(1);
}
const source = new URL('../src/main.ts', import.meta.url);
const built = new URL('../dist/main.js', import.meta.url);
if (existsSync(source)) {
  // Spares the second start the stripping of types, which is half of it.
  nodeModule.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url)));
  await import(source.href);
} else {
  await import(built.href);
}
