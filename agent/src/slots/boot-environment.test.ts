import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRandom } from '../machine/testing/random.ts';
import {
  allWritten,
  arm,
  type BootEnvironment,
  beginWriting,
  boot,
  type Changed,
  condemn,
  initialEnvironment,
  otherSlot,
  partitionWritten,
  prove,
  type Refused,
  type SlotName,
} from './boot-environment.ts';
import { readEnvironment } from './read-environment.ts';

function after(outcome: Changed | Refused): BootEnvironment {
  assert.ok(outcome.kind === 'changed', outcome.kind === 'refused' ? outcome.reason : '');
  return outcome.environment;
}

const trial = { job: 'job-1', content: 'base-1', armedIn: 'boot-1' };

function whole(): BootEnvironment {
  const writing = after(beginWriting(initialEnvironment('a'), 'a', 'base-1'));
  return after(allWritten(after(partitionWritten(writing, 'base-1', 'boot')), 'base-1', ['boot']));
}

test('a slot on trial is started once, and the good one at every boot after that', () => {
  const armed = after(arm(whole(), trial));
  const first = boot(armed);
  assert.equal(first.slot, 'b');
  const second = boot(first.environment);
  assert.equal(second.slot, 'a');
  assert.deepEqual(boot(second.environment), second);
});

test('a slot that proves itself is the good one from then on, and the other may be overwritten', () => {
  const { environment } = boot(after(arm(whole(), trial)));
  const proven = after(prove(environment, 'b'));
  assert.equal(boot(proven).slot, 'b');
  assert.deepEqual(proven.spare, { kind: 'void' });
  assert.deepEqual(proven.last, { job: 'job-1', proven: true });
});

test('a slot that has run and failed is never started again', () => {
  const { environment } = boot(after(arm(whole(), trial)));
  const condemned = after(condemn(environment));
  assert.equal(boot(condemned).slot, 'a');
  assert.equal(arm(condemned, trial).kind, 'refused');
});

test('a slot is not armed before every partition was read back, nor for another content', () => {
  const writing = after(beginWriting(initialEnvironment('a'), 'a', 'base-1'));
  assert.equal(arm(writing, trial).kind, 'refused');
  assert.equal(allWritten(writing, 'base-1', ['boot']).kind, 'refused');
  assert.equal(arm(whole(), { ...trial, content: 'base-2' }).kind, 'refused');
});

test('the running slot is never the one that is written', () => {
  const { environment } = boot(after(arm(whole(), trial)));
  assert.equal(beginWriting(environment, 'b', 'base-2').kind, 'refused');
  assert.equal(beginWriting(after(condemn(environment)), 'b', 'base-2').kind, 'refused');
  assert.equal(prove(environment, 'a').kind, 'refused');
});

test('what of a content is written stays so, and another content begins with nothing', () => {
  const writing = after(
    partitionWritten(after(beginWriting(initialEnvironment('a'), 'a', 'base-1')), 'base-1', 'boot'),
  );
  assert.deepEqual(after(beginWriting(writing, 'a', 'base-1')), writing);
  const other = after(beginWriting(writing, 'a', 'base-2'));
  assert.deepEqual(other.spare, { kind: 'writing', content: 'base-2', partitions: [] });
});

test('whatever is asked in whatever order, only a good or a whole slot is started', () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const random = createRandom(seed);
    let environment = initialEnvironment('a');
    let booted: SlotName = 'a';
    /** What the slots really hold; a slot that is written holds anything, and one that runs is no longer an image. */
    const holds = { a: 'proven', b: 'anything' };
    for (let step = 0; step < 400; step += 1) {
      const content = `base-${random.below(3)}`;
      const spare = otherSlot(environment.good);
      const before = environment;
      const apply = (outcome: Changed | Refused): boolean => {
        if (outcome.kind === 'changed') environment = outcome.environment;
        return outcome.kind === 'changed';
      };
      switch (random.below(7)) {
        case 0:
          if (apply(beginWriting(environment, booted, content)) && before !== environment)
            holds[spare] = 'anything';
          break;
        case 1:
          apply(partitionWritten(environment, content, random.pick(['boot', 'data'])));
          break;
        case 2:
          if (apply(allWritten(environment, content, ['boot', 'data'])) && before !== environment)
            holds[spare] = content;
          break;
        case 3:
          apply(arm(environment, { job: `job-${step}`, content, armedIn: `${step}` }));
          break;
        case 4: {
          const started = boot(environment);
          assert.deepEqual(readEnvironment(JSON.stringify(started.environment)), started.environment);
          const holding = holds[started.slot];
          assert.notEqual(holding, 'anything', `seed ${seed}, step ${step}`);
          if (started.slot !== environment.good) {
            assert.equal(holding, environment.trial?.content);
            holds[started.slot] = 'anything';
          }
          ({ slot: booted, environment } = started);
          break;
        }
        case 5:
          if (apply(prove(environment, booted))) holds[booted] = 'proven';
          break;
        default:
          apply(condemn(environment));
      }
    }
  }
});

test('a boot environment that contradicts itself or is of another version is not believed', () => {
  const armed = after(arm(whole(), trial));
  assert.deepEqual(readEnvironment(JSON.stringify(armed)), armed);
  for (const wrong of [
    { ...armed, version: 2 },
    { ...armed, good: 'c' },
    { ...armed, spare: { kind: 'void' } },
    { ...armed, trial: { ...armed.trial, triesLeft: -1 } },
    { ...armed, last: { job: 'job-1' } },
  ]) {
    assert.equal(readEnvironment(JSON.stringify(wrong)), null);
  }
  assert.equal(readEnvironment('{"version":1'), null);
});
