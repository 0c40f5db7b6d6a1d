import assert from 'node:assert/strict';
import { test } from 'node:test';
import { windowsVersion } from './windows-version.ts';

test('the version of Windows has the revision of the registry, or none when it does not tell', () => {
  const printed =
    '\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\r\n    UBR    REG_DWORD    0x90a\r\n\r\n';
  assert.equal(
    windowsVersion('10.0.26100', () => printed),
    '10.0.26100.2314',
  );
  assert.equal(
    windowsVersion('10.0.26100', () => ''),
    '10.0.26100',
  );
  assert.equal(
    windowsVersion('10.0.26100', () => {
      throw new Error('reg.exe exited with 1');
    }),
    '10.0.26100',
  );
});
