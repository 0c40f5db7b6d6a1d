import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { generatePrivateKey, KeyFileError, keySigner, readKeyFile, writeKeyFile } from './keys.ts';
import { writeNewFile } from './new-file.ts';

test('a key that cannot be written whole is not there, and the next attempt makes it', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-keys-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'root-1.pem');
  const program = `
    import { generatePrivateKey, writeKeyFile } from ${JSON.stringify(import.meta.resolve('./keys.ts'))};
    writeKeyFile(${JSON.stringify(path)}, generatePrivateKey(), null);`;
  // No file may have a byte, as on a disk that is full.
  const limited = [
    '-c',
    'ulimit -f 0; exec "$@"',
    'sh',
    process.execPath,
    '--input-type=module',
    '-e',
    program,
  ];
  const failed = spawnSync('sh', limited, { timeout: 60_000, encoding: 'utf8' });
  assert.match(failed.stderr, /EFBIG/);
  assert.deepEqual(readdirSync(folder), []);

  const key = generatePrivateKey();
  writeKeyFile(path, key, 'a long passphrase');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(keySigner(readKeyFile(path, 'a long passphrase')).key, keySigner(key).key);
  const before = readFileSync(path);
  assert.throws(() => writeKeyFile(path, generatePrivateKey(), null), { code: 'EEXIST' });
  assert.deepEqual(readFileSync(path), before, 'a key is never replaced');
});

test('who is killed before a new file has its name leaves nothing under it', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-new-file-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'key.pem');
  const program = `
    import { writeNewFile } from ${JSON.stringify(import.meta.resolve('./new-file.ts'))};
    writeNewFile(${JSON.stringify(path)}, 'half', () => process.kill(process.pid, 'SIGKILL'));`;
  const killed = spawnSync(process.execPath, ['--input-type=module', '-e', program], { timeout: 60_000 });
  assert.deepEqual([killed.signal, existsSync(path)], ['SIGKILL', false]);
  writeNewFile(path, 'whole');
  assert.equal(readFileSync(path, 'utf8'), 'whole');

  const withoutLinks = () => {
    throw Object.assign(new Error('FAT knows none'), { code: 'EPERM' });
  };
  writeNewFile(join(folder, 'fat.pem'), 'whole', withoutLinks);
  assert.equal(readFileSync(join(folder, 'fat.pem'), 'utf8'), 'whole');
  assert.throws(() => writeNewFile(path, 'other', withoutLinks), { code: 'EEXIST' });
  assert.equal(readFileSync(path, 'utf8'), 'whole');
});

test('a key that others can read is not used, and says what to do', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-keys-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'root-1.pem');
  writeKeyFile(path, generatePrivateKey(), 'twelve letters');
  assert.throws(() => readKeyFile(path, 'thirteen letters'), /does not open with this passphrase/);
  assert.ok(readKeyFile(path, 'twelve letters'));
  for (const mode of [0o640, 0o604]) {
    chmodSync(path, mode);
    assert.throws(
      () => readKeyFile(path, 'twelve letters'),
      (error) =>
        error instanceof KeyFileError && /root-1\.pem can be read by others: chmod 600/.test(error.message),
    );
  }
});
