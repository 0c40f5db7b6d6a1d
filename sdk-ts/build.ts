/**
 * `node build.ts DIRECTORY`: makes the package that is published. The generated contract is compiled into it, so that it
 * depends on nothing but protobuf-es and Connect; in this repository the same sources run as they are.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

type Manifest = {
  name: string;
  exports: Record<string, string>;
  dependencies: Record<string, string>;
  [member: string]: unknown;
};

const here = dirname(fileURLToPath(import.meta.url));
const target = resolve(process.argv[2] ?? 'dist');

rmSync(target, { recursive: true, force: true });
compile();
for (const name of readdirSync(target, { recursive: true, encoding: 'utf8' })) {
  if (name.endsWith('.d.ts')) resolveImports(join(target, name));
}
writeFileSync(join(target, 'package.json'), `${JSON.stringify(published(), null, 2)}\n`);
copyFileSync(join(here, 'README.md'), join(target, 'README.md'));
copyFileSync(join(here, '..', 'LICENSE'), join(target, 'LICENSE'));

function compile(): void {
  const manifest = createRequire(import.meta.url).resolve('typescript/package.json');
  const { bin } = JSON.parse(readFileSync(manifest, 'utf8')) as { bin: { tsc: string } };
  const tsc = join(dirname(manifest), bin.tsc);
  const args = [tsc, '-p', join(here, 'tsconfig.build.json'), '--outDir', target];
  execFileSync(process.execPath, args, { stdio: 'inherit' });
}

/** The compiler rewrites the extensions of imports in what it emits as JavaScript, but not in declarations. */
function resolveImports(file: string): void {
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replaceAll(/((?:from|import\()\s*["']\.{1,2}\/[^"']+)\.ts(["'])/g, '$1.js$2'));
}

/** The manifest of the package: built files instead of sources, and nothing of this workspace. */
function published(): Omit<Manifest, 'private' | 'scripts'> {
  const {
    private: _private,
    scripts: _scripts,
    ...manifest
  } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8')) as Manifest;
  const { '@iotdh/proto': _compiledIn, ...dependencies } = manifest.dependencies;
  const exports = Object.entries(manifest.exports).map(([name, source]) => {
    const built = `./sdk-ts/${source.slice(2, -'.ts'.length)}`;
    return [name, { types: `${built}.d.ts`, default: `${built}.js` }];
  });
  return {
    ...manifest,
    sideEffects: false,
    exports: { ...Object.fromEntries(exports), './package.json': './package.json' },
    dependencies,
  };
}
