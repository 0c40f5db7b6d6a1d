import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { RegisterDeviceRequestSchema } from './iotdh/fleet/v1/index.ts';
import { compileOnFirstUse, libraryCompiler } from './lazy-rules.ts';
import { sharedValidator } from './payload.ts';

test('a rule is compiled once, when it is first evaluated, and by the compiler that it was given to', () => {
  const compiled: unknown[] = [];
  class Compiler {
    readonly name = 'this one';
    compileRule(rule: unknown) {
      compiled.push(`${rule} by ${this.name}`);
      return rule === 'wrong'
        ? { kind: 'compilation_error', error: new Error('no CEL') }
        : { kind: 'interpretable', rule, interpretable: () => true };
    }
  }
  compileOnFirstUse(Compiler);
  const [right, wrong] = [new Compiler().compileRule('right'), new Compiler().compileRule('wrong')];
  assert.deepEqual(compiled, []);
  assert.equal(right.kind, 'interpretable');
  assert.equal((right.interpretable as () => boolean)(), true);
  assert.equal(right.rule, 'right');
  assert.deepEqual(compiled, ['right by this one']);
  assert.equal(wrong.kind, 'compilation_error');
  assert.match(String(wrong.error), /no CEL/);
  assert.deepEqual(compiled, ['right by this one', 'wrong by this one']);
});

test('the version of protovalidate that is pinned lets itself be told', async () => {
  const request = create(RegisterDeviceRequestSchema, { deviceId: 'no device id\n' });
  assert.equal(sharedValidator.validate(RegisterDeviceRequestSchema, request).kind, 'invalid');
  const compiler = await libraryCompiler();
  assert.equal(compiler?.prototype.compileRule.name, 'compileRuleOnFirstUse');
});
