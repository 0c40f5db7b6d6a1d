#!/usr/bin/env node
// Starts the host service. Plain old JavaScript, so that an old Node.js gets as far as the message.
import * as nodeModule from 'node:module';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 12)) {
  console.error(`iotdh-host-service needs Node.js 24.12 or newer; this is ${process.versions.node}.`);
  process.exit(1);
}
// Spares the next start the stripping of types, which is half of it.
nodeModule.enableCompileCache();
await import(new URL('../src/host-service/main.ts', import.meta.url).href);
