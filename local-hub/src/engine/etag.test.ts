import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkIfMatch, randomEtag, versionEtag } from './etag.ts';

test('the tag of a version is written as IoT Hub writes it', () => {
  assert.equal(versionEtag(1), 'AAAAAAAAAAE=');
  assert.equal(versionEtag(258), 'AAAAAAAAAQI=');
});

test('a condition is met by its tag in any notation, by * and by none', () => {
  const tag = randomEtag();
  for (const ifMatch of [undefined, '*', '"*"', tag, `"${tag}"`, `W/"${tag}"`, ` "${tag}" `]) {
    checkIfMatch(ifMatch, tag, 'It');
  }
  for (const ifMatch of ['', '""', `${tag}x`, '"AAAA"']) {
    assert.throws(() => checkIfMatch(ifMatch, tag, 'It'), { code: 'PreconditionFailed' }, ifMatch);
  }
});
