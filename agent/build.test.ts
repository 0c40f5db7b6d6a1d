import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { buildAgent } from './build.ts';

test('the agent that is published starts by itself, without the sources, their types and this workspace', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-agent-build-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const target = join(folder, 'package');
  const program = buildAgent(target);
  symlinkSync(join(dirname(import.meta.dirname), 'node_modules'), join(folder, 'node_modules'));

  const files = readdirSync(target, { recursive: true, encoding: 'utf8' });
  assert.deepEqual(
    files.filter((name) => /\.ts$|test|victim/.test(name)),
    [],
  );
  for (const name of files.filter((file) => file.endsWith('.js'))) {
    const text = readFileSync(join(target, name), 'utf8');
    assert.doesNotMatch(text, /(from|import|import\()\s*['"]@iotdh\//, name);
    for (const [, path = ''] of text.matchAll(/(?:from|import|import\()\s*['"](\.[^'"]+)['"]/g))
      assert.ok(existsSync(join(target, dirname(name), path)), `${name} imports ${path}`);
  }
  const { version, dependencies } = JSON.parse(readFileSync(join(target, 'package.json'), 'utf8'));
  assert.deepEqual(
    Object.keys(dependencies).filter((name) => name.startsWith('@iotdh/')),
    [],
  );
  assert.equal(execFileSync(process.execPath, [program, '--version'], { encoding: 'utf8' }).trim(), version);
});
