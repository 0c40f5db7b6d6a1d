/**
 * `node build.ts DIRECTORY`: makes the agent as it is published, as JavaScript with the generated contract compiled in. In
 * this repository the same sources run as they are; without their types they need some 30 MB less memory.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

type Manifest = {
  version: string;
  dependencies: Record<string, string>;
  exports?: Record<string, string>;
  [member: string]: unknown;
};

const here = import.meta.dirname;
const root = dirname(here);
/** Relative to the package; the layout of this repository, so that the sources' imports stay as they are. */
const program = 'agent/bin/iotdh-agent.js';

/**
 * What only the command line can say. V8 lets the young generation grow to 48 MB where a transfer makes garbage quickly; 3 MB
 * are collected a little more often. It keeps less of what it could compute again, has one helper thread, each of which has
 * an allocator of its own, and leaves out its optimizing compilers: what is hot in a transfer is native code anyway.
 */
export const nodeArguments: readonly string[] = [
  '--max-semi-space-size=1',
  '--optimize-for-size',
  '--no-opt',
  '--no-maglev',
  '--v8-pool-size=1',
];

/** What the service's unit or image says besides: each thread that allocates would have an arena of its own (mallopt(3)). */
export const environment: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: '2' };

/** Replaces what is in `target`. Throws when the sources do not compile. Returns the path of the program. */
export function buildAgent(target: string): string {
  rmSync(target, { recursive: true, force: true });
  compile(target);
  for (const name of readdirSync(join(target, 'agent'), { recursive: true, encoding: 'utf8' })) {
    if (name.endsWith('.js')) compileInContract(target, join(target, 'agent', name));
  }
  const { version } = manifestIn(here);
  write(join(target, 'package.json'), published());
  write(join(target, 'agent', 'package.json'), { private: true, type: 'module', version });
  copyFileSync(join(here, 'README.md'), join(target, 'README.md'));
  copyFileSync(join(root, 'LICENSE'), join(target, 'LICENSE'));
  return makeProgram(target);
}

function compile(target: string): void {
  const typescript = createRequire(import.meta.url).resolve('typescript/package.json');
  const { bin } = JSON.parse(readFileSync(typescript, 'utf8')) as { bin: { tsc: string } };
  const tsc = join(dirname(typescript), bin.tsc);
  const args = [tsc, '-p', join(here, 'tsconfig.build.json'), '--outDir', target];
  execFileSync(process.execPath, args, { stdio: 'inherit' });
}

/** The contract is a private package here; there it is a folder beside the agent. */
function compileInContract(target: string, file: string): void {
  const { exports } = manifestIn(join(root, 'gen', 'ts'));
  const sources = new Map(Object.entries(exports ?? {}));
  const pathOf = (name: string): string => {
    const source = sources.get(`./${name}`) ?? sources.get('./*')?.replace('*', name) ?? '';
    const path = relative(dirname(file), join(target, 'gen', 'ts', source.replace(/\.ts$/, '.js')));
    return path.split(sep).join('/');
  };
  const text = readFileSync(file, 'utf8');
  const compiledIn = text.replaceAll(
    /((?:from|import|import\()\s*)(["'])@iotdh\/proto\/([^"']+)\2/g,
    (_whole, before: string, quote: string, name: string) => `${before}${quote}${pathOf(name)}${quote}`,
  );
  if (compiledIn !== text) writeFileSync(file, compiledIn);
}

/** The manifest of the package: nothing of this workspace, and what the contract brings besides. */
function published(): object {
  const { private: _private, scripts: _scripts, ...manifest } = manifestIn(here);
  const { '@iotdh/proto': _compiledIn, ...dependencies } = {
    ...manifestIn(join(root, 'gen', 'ts')).dependencies,
    ...manifest.dependencies,
  };
  return { ...manifest, bin: { 'iotdh-agent': program }, dependencies };
}

function makeProgram(target: string): string {
  const path = join(target, program);
  mkdirSync(dirname(path), { recursive: true });
  const source = readFileSync(join(here, 'bin', 'iotdh-agent.js'), 'utf8');
  const built = source
    .replace(/^#!.*/, `#!/usr/bin/env -S node ${nodeArguments.join(' ')}`)
    .replace('../src/main.ts', '../src/main.js');
  writeFileSync(path, built);
  chmodSync(path, 0o755);
  return path;
}

const manifestIn = (folder: string) =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;

const write = (path: string, value: object) => writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(buildAgent(resolve(process.argv[2] ?? join(here, 'dist'))));
}
