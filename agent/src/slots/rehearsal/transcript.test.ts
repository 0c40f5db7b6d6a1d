import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { toText } from '../systemd-boot/efi-variables.ts';
import { systemdBootIn } from '../testing/systemd-boot-machine.ts';

type Seen = { what: string; entries: string[]; variables: Record<string, string | null> };

test('the systemd-boot of the tests starts what the recorded one has started, and leaves the same behind', (t) => {
  const path = join(import.meta.dirname, 'fixtures', 'systemd-boot-252.json');
  const lines = JSON.parse(readFileSync(path, 'utf8')) as Seen[];
  const starts = lines.flatMap((line, index) => {
    const next = lines[index + 1];
    return line.what === 'leaves' && next?.what === 'arrived' ? [{ before: line, after: next }] : [];
  });
  assert.ok(starts.length >= 3, `only ${starts.length} starts`);
  for (const { before, after } of starts) {
    const folder = mkdtempSync(join(tmpdir(), 'iotdh-transcript-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const machine = systemdBootIn(folder, before.entries);
    for (const name of ['LoaderEntryDefault', 'LoaderEntryOneShot'] as const) {
      const value = before.variables[name];
      machine.set(name, value == null ? null : Buffer.from(value, 'base64'));
    }
    machine.boot();
    assert.deepEqual(machine.entries(), after.entries);
    for (const name of ['LoaderEntryDefault', 'LoaderEntryOneShot', 'LoaderEntrySelected'] as const) {
      const value = machine.variable(name);
      const recorded = after.variables[name];
      const text = recorded == null ? null : toText(Buffer.from(recorded, 'base64'));
      assert.equal(value === null ? null : toText(value), text, name);
    }
  }
});
