import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { claimFolder } from './claim-folder.ts';

const onPosix = { skip: process.platform === 'win32' && 'Windows has access lists' };

test(
  'a data folder that others may enter is closed to them, and one that everybody shares is refused',
  onPosix,
  (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'iotdh-claim-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const modeOf = (path: string) => statSync(path).mode & 0o7777;
    const absent = join(folder, 'absent');
    claimFolder(absent);
    assert.equal(modeOf(absent), 0o700);

    const open = join(folder, 'open');
    mkdirSync(open);
    chmodSync(open, 0o755);
    claimFolder(open);
    assert.equal(modeOf(open), 0o700);

    const shared = join(folder, 'shared');
    mkdirSync(shared);
    chmodSync(shared, 0o1777);
    assert.throws(() => claimFolder(shared), /others than the agent's user may enter .*shared/);
    assert.equal(modeOf(shared), 0o1777);
  },
);
