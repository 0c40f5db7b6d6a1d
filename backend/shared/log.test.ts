import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from './log.ts';
import { oneOf, printable, readSettings, text, whole } from './settings.ts';

const secrets = [
  ['HostName=h;SharedAccessKeyName=n;SharedAccessKey=c2VjcmV0', 'c2VjcmV0'],
  ['DefaultEndpointsProtocol=https;AccountName=a;AccountKey=c2VjcmV0;', 'c2VjcmV0'],
  ['https://a.blob/x?sv=1&sig=c2VjcmV0', 'c2VjcmV0'],
  ['mongodb://user:c2VjcmV0@host/db', 'c2VjcmV0'],
  ['authorization: Bearer c2VjcmV0', 'c2VjcmV0'],
] as const;

for (const [line, secret] of secrets) {
  test(`a log keeps the secret in ${line.slice(0, 24)}… to itself`, () => {
    const lines: string[] = [];
    const log = createLog({ service: 's', write: (written) => lines.push(written) });
    log.info(line, { deep: { of: [line] }, error: new Error('outer', { cause: new Error(line) }) });
    log.info('by name', { token: secret, sharedAccessKey: secret, nested: { password: secret } });
    assert.equal(lines.length, 2);
    for (const written of lines) {
      assert.ok(!written.includes(secret), written);
      assert.ok(!written.includes('\n'));
      JSON.parse(written);
    }
  });
}

test('settings are read once, checked together, and printed without their secrets', () => {
  const shape = {
    uri: text('URI', { secret: true }),
    port: whole('PORT', { min: 0, max: 10, fallback: 3 }),
    level: oneOf('LEVEL', ['low', 'high'], 'low'),
  };
  const settings = readSettings({ URI: 'c2VjcmV0', PORT: '' }, shape);
  assert.deepEqual({ ...settings }, { uri: 'c2VjcmV0', port: 3, level: 'low' });
  assert.ok(Object.isFrozen(settings));
  assert.deepEqual(printable(shape, settings), { URI: '[set]', PORT: 3, LEVEL: 'low' });
  assert.throws(
    () => readSettings({ PORT: '11', LEVEL: 'c2VjcmV0' }, shape),
    ({ message }: Error) => /URI.*PORT.*LEVEL/.test(message) && !message.includes('c2VjcmV0'),
  );
});
