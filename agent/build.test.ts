import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { buildAgent } from './build.ts';

test('the agent and the host service that are published start by themselves, without the sources, their types and this workspace', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-agent-build-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const target = join(folder, 'package');
  const program = buildAgent(target);
  symlinkSync(join(dirname(import.meta.dirname), 'node_modules'), join(folder, 'node_modules'));

  const files = readdirSync(target, { recursive: true, encoding: 'utf8' });
  assert.deepEqual(
    files.filter((name) => /\.ts$|test|victim|chaos|rehearsal/.test(name)),
    [],
  );
  for (const name of files.filter((file) => file.endsWith('.js'))) {
    const text = readFileSync(join(target, name), 'utf8');
    assert.doesNotMatch(text, /(from|import|import\()\s*['"]@iotdh\//, name);
    for (const [, path = ''] of text.matchAll(/(?:from|import|import\()\s*['"](\.[^'"]+)['"]/g))
      assert.ok(existsSync(join(target, dirname(name), path)), `${name} imports ${path}`);
  }
  for (const script of ['install/windows/windows-update.ps1', 'slots/windows/windows-slots.ps1']) {
    assert.ok(existsSync(join(target, 'agent/src', script)), script);
  }
  const { version, dependencies, bin } = JSON.parse(readFileSync(join(target, 'package.json'), 'utf8'));
  assert.deepEqual(
    Object.keys(dependencies).filter((name) => name.startsWith('@iotdh/')),
    [],
  );
  const run = (path: string, ...args: string[]) =>
    execFileSync(process.execPath, [path, ...args], { encoding: 'utf8' });
  assert.equal(run(program, '--version').trim(), version);
  run(join(target, bin['iotdh-host-service']), 'init', join(folder, 'keys'));
  assert.ok(existsSync(join(folder, 'keys', 'host.key')));
});
