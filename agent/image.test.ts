import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';

const root = dirname(import.meta.dirname);
/** The words of each COPY from the repository and each npm command of one of the Dockerfile's stages. */
const stages = readFileSync(join(root, 'deploy/agent/Dockerfile'), 'utf8')
  .replaceAll(/\\\n/g, ' ')
  .split(/^FROM .*$/m)
  .slice(1)
  .map((text) => text.split('\n').map((line) => line.trim().split(/\s+/)));
const copies = (stage: number) =>
  (stages[stage] ?? []).filter(([word, from = '']) => word === 'COPY' && !from.startsWith('--'));

test('what the image’s definition copies is enough to start the agent, without anything else of the repository', (t) => {
  const image = mkdtempSync(join(tmpdir(), 'iotdh-image-'));
  t.after(() => rmSync(image, { recursive: true }));
  for (const [, ...paths] of copies(1)) {
    const to = paths.pop() ?? '';
    for (const path of paths) {
      const target = join(image, to.endsWith('/') ? join(to, basename(path)) : to);
      const filter = (file: string) => !/\.test\.ts$|\/testing$/.test(file);
      cpSync(join(root, path), target, { recursive: true, filter });
    }
  }
  // Packages of this workspace are the copied folders, all others those that are installed here.
  const modules = join(image, 'node_modules');
  mkdirSync(join(modules, '@iotdh'), { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (name !== '@iotdh') symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  for (const folder of workspaces()) {
    const { name } = manifestIn(folder);
    if (existsSync(join(image, folder))) symlinkSync(join(image, folder), join(modules, name));
  }
  for (const [program, args] of [
    ['iotdh-agent.js', ['--version']],
    ['iotdh-host-service.js', ['--help']],
  ] as const) {
    execFileSync(process.execPath, [join(image, 'agent/bin', program), ...args], { stdio: 'pipe' });
  }
});

test('the image installs what each package of this workspace needs that the agent is made of', () => {
  const [, ...words] = stages[0]?.find((line) => line.includes('npm')) ?? [];
  const installed = words.filter((_, index) => words[index - 1] === '--workspace').toSorted();
  const copied = copies(0).flatMap(([, ...paths]) => paths);
  const needed = new Set(['agent']);
  for (const folder of needed) {
    for (const name of Object.keys(manifestIn(folder).dependencies ?? {})) {
      const own = workspaces().find((other) => manifestIn(other).name === name);
      if (own !== undefined) needed.add(own);
    }
  }
  assert.deepEqual(installed, [...needed].toSorted());
  for (const folder of needed) assert.ok(copied.includes(`${folder}/package.json`), folder);
});

const manifestIn = (folder: string): { name: string; dependencies?: Record<string, string> } =>
  JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));

function workspaces(): string[] {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).workspaces;
}
