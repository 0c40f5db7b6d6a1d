import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reasonInLog } from './reason-in-log.ts';

test('of an uncaught error the line that names it is the reason, not the version of Node.js below it', () => {
  const text = `{"level":"info","message":"starting"}
node:net:2328
    const ex = new UVExceptionWithHostPort(err, 'listen', address, port);
               ^

Error: listen EADDRINUSE: address already in use 127.0.0.1:39173
    at Server.setupListenHandle [as _listen2] (node:net:2328:16) {
  code: 'EADDRINUSE',
  port: 39173
}

Node.js v24.21.0
`;
  assert.equal(reasonInLog(text), 'Error: listen EADDRINUSE: address already in use 127.0.0.1:39173');
  assert.equal(
    reasonInLog('x\n\nTypeError [ERR_INVALID_ARG_TYPE]: the "path" is wrong\n    at a\n\nNode.js v24.21.0'),
    'TypeError [ERR_INVALID_ARG_TYPE]: the "path" is wrong',
  );
});

test('an error that was logged is the reason, and else the last line', () => {
  const logged = { level: 'error', message: 'stopping failed', error: { message: 'no hub' } };
  assert.equal(
    reasonInLog(`${JSON.stringify(logged)}\n{"level":"info","message":"x"}\n`),
    'stopping failed: no hub',
  );
  assert.equal(reasonInLog('{"level":"error","message":"the disk is full"}'), 'the disk is full');
  assert.equal(reasonInLog('one\ntwo {\n'), 'two {');
  assert.equal(reasonInLog('\n'), '');
});
