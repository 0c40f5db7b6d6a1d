/**
 * The device's client as TUF's conformance suite calls one (its CLIENT-CLI.md): `init`, `refresh` and `download`. What the product
 * brings over the bus comes here from the suite's web server; everything behind that is the product's own.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { folderStorage } from '../src/device/storage.ts';
import { openTrustedTime } from '../src/device/trusted-time.ts';
import { runWorkflow } from '../src/device/workflow.ts';
import { maxRootRotations } from '../src/format/limits.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'metadata-dir': { type: 'string', default: '' },
    'metadata-url': { type: 'string', default: '' },
    'target-name': { type: 'string', multiple: true, default: [] },
    'target-base-url': { type: 'string', default: '' },
    'target-dir': { type: 'string', default: '' },
  },
});
const { 'metadata-dir': folder, 'metadata-url': url } = values;
const [command, rootFile = ''] = positionals;

if (command === 'init') {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'root.json'), readFileSync(rootFile));
} else {
  const trusted = await refresh();
  if (command === 'download') {
    for (const name of values['target-name']) await download(trusted, name);
  }
}

async function get(address: string): Promise<Uint8Array | null> {
  const response = await fetch(address);
  return response.ok ? new Uint8Array(await response.arrayBuffer()) : null;
}

/** The workflow asks for a file when it needs it; a web server answers later. So it begins again whenever one has come. */
async function refresh() {
  const storage = folderStorage(folder);
  // The suite sets the machine's clock, so here it is what the time begins with.
  const time = openTrustedTime({
    storage: { ...storage, write: () => {}, read: () => null },
    builtAtMs: Date.now(),
    uptimeMs: () => performance.now(),
  });
  const come = new Map<string, Uint8Array | null>();
  for (let look = 0; look < maxRootRotations + 8; look += 1) {
    let wanted = '';
    const offered = (name: string) => {
      if (!come.has(name) && wanted === '') wanted = name;
      return come.get(name) ?? null;
    };
    const outcome = runWorkflow({ storage, anchor: new Uint8Array(), time, judgesExpiry: true }, offered);
    if (wanted === '') {
      if (outcome.kind === 'trusted') return outcome;
      console.error(`${outcome.rule}: ${outcome.detail}`);
      process.exit(1);
    }
    come.set(wanted, await get(`${url.replace(/\/+$/, '')}/${wanted}`));
  }
  process.exit(1);
}

async function download({ targets }: Awaited<ReturnType<typeof refresh>>, name: string): Promise<void> {
  const target = targets.signed.targets[name];
  if (target === undefined) process.exit(1);
  const [hash = ''] = Object.values(target.hashes);
  const slash = name.lastIndexOf('/') + 1;
  const path = `${name.slice(0, slash)}${hash}.${name.slice(slash)}`;
  const bytes = await get(`${values['target-base-url'].replace(/\/+$/, '')}/${path}`);
  const right =
    bytes?.length === target.length &&
    Object.entries(target.hashes).every(([algorithm, digest]) => {
      try {
        return createHash(algorithm).update(bytes).digest('hex') === digest;
      } catch {
        return false;
      }
    });
  if (!right) process.exit(1);
  writeFileSync(join(values['target-dir'], encodeURIComponent(name)), bytes);
}
