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
const programs = {
  'iotdh-agent': 'agent/bin/iotdh-agent.js',
  'iotdh-host-service': 'agent/bin/iotdh-host-service.js',
} as const;

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

/** Replaces what is in `target`. Throws when the sources do not compile. Returns the path of the agent's program. */
export function buildAgent(target: string): string {
  rmSync(target, { recursive: true, force: true });
  compile(target);
  for (const name of readdirSync(target, { recursive: true, encoding: 'utf8' })) {
    if (name.endsWith('.js')) compileInPackages(target, join(target, name));
  }
  copyScripts(target);
  const { version } = manifestIn(here);
  write(join(target, 'package.json'), published());
  write(join(target, 'agent', 'package.json'), { private: true, type: 'module', version });
  copyFileSync(join(here, 'README.md'), join(target, 'README.md'));
  copyFileSync(join(root, 'LICENSE'), join(target, 'LICENSE'));
  makeProgram(target, 'iotdh-host-service', '../src/host-service/main');
  return makeProgram(target, 'iotdh-agent', '../src/main');
}

function compile(target: string): void {
  const typescript = createRequire(import.meta.url).resolve('typescript/package.json');
  const { bin } = JSON.parse(readFileSync(typescript, 'utf8')) as { bin: { tsc: string } };
  const tsc = join(dirname(typescript), bin.tsc);
  const args = [tsc, '-p', join(here, 'tsconfig.build.json'), '--outDir', target];
  execFileSync(process.execPath, args, { stdio: 'inherit' });
}

/** What the agent has PowerShell run, beside the code that does. */
function copyScripts(target: string): void {
  for (const name of readdirSync(join(here, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (name.endsWith('.ps1')) copyFileSync(join(here, 'src', name), join(target, 'agent', 'src', name));
  }
}

/** Packages of this workspace that the agent's code imports, and their folders: private here, folders beside the agent there. */
const compiledIn: Readonly<Record<string, string>> = {
  '@iotdh/proto': 'gen/ts',
  '@iotdh/delta': 'delta',
  '@iotdh/trust': 'trust',
};

function compileInPackages(target: string, file: string): void {
  const text = readFileSync(file, 'utf8');
  const written = text.replaceAll(
    /((?:from|import|import\()\s*)(["'])(@iotdh\/[a-z-]+)(?:\/([^"']+))?\2/g,
    (whole, before: string, quote: string, name: string, entry: string | undefined) => {
      const folder = compiledIn[name];
      if (folder === undefined) return whole;
      const path = relative(
        dirname(file),
        join(target, folder, sourceOf(folder, entry).replace(/\.ts$/, '.js')),
      );
      return `${before}${quote}${path.split(sep).join('/')}${quote}`;
    },
  );
  if (written !== text) writeFileSync(file, written);
}

/** The source file behind an entry of a package's exports; no entry: the package itself. */
function sourceOf(folder: string, entry: string | undefined): string {
  const exports: Readonly<Record<string, string | undefined>> = manifestIn(join(root, folder)).exports ?? {};
  if (entry === undefined) return exports['.'] ?? '';
  return exports[`./${entry}`] ?? exports['./*']?.replace('*', entry) ?? '';
}

/** The manifest of the package: nothing of this workspace, and what the packages that are compiled in bring besides. */
function published(): object {
  const { private: _private, scripts: _scripts, ...manifest } = manifestIn(here);
  const brought = [...Object.values(compiledIn).map((folder) => manifestIn(join(root, folder))), manifest];
  const dependencies = Object.entries(Object.assign({}, ...brought.map((each) => each.dependencies)));
  return {
    ...manifest,
    bin: programs,
    dependencies: Object.fromEntries(dependencies.filter(([name]) => !(name in compiledIn))),
  };
}

function makeProgram(target: string, name: keyof typeof programs, main: string): string {
  const path = join(target, programs[name]);
  mkdirSync(dirname(path), { recursive: true });
  const source = readFileSync(join(here, 'bin', `${name}.js`), 'utf8');
  const built = source
    .replace(/^#!.*/, `#!/usr/bin/env -S node ${nodeArguments.join(' ')}`)
    .replace(`${main}.ts`, `${main}.js`);
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
