import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Preflight } from '../install/installer.ts';
import type { InstallOutcome } from '../install/outcome.ts';
import type { Update } from '../machine/update.ts';
import type { TakenBackJob } from '../slots/base-installer.ts';
import { createApplyPorts } from './apply-ports.ts';

const update: Update = {
  updateId: 'a-1',
  target: 'patch',
  manifest: { transferId: 't-1', digest: 'ab'.repeat(32), version: '2.0' },
};

/** The ports over an installer, and over looks at what a base needs, that answer these in turn. */
function applying(
  outcomes: InstallOutcome[],
  looks: Preflight[] = [],
  { hasSlots = true, isHeld = true } = {},
) {
  const said: string[] = [];
  let [waits, progress] = [0, 0];
  const stopping = new AbortController();
  const ports = createApplyPorts({
    updates: { get: () => null, change() {}, traceOf: () => '' } as never,
    manifests: { of: () => (isHeld ? {} : null) } as never,
    installer: { apply: async () => outcomes.shift() } as never,
    base: hasSlots
      ? ({
          applyBase: async () => ({ kind: 'done' }),
          takeBack: async (job: TakenBackJob) => ({
            kind: 'event',
            event: { type: 'boot_sys', manifestDigest: job.manifestDigest, proven: job.manifest !== null },
          }),
          steps: () => [],
        } as never)
      : null,
    preflight: async () => looks.shift() ?? { kind: 'met' },
    contentPath: () => '',
    async sleep() {
      waits += 1;
      if (waits === 100) stopping.abort();
    },
    redact: (text) => text,
    log: ({ message }) => void said.push(message),
  });
  const context = {
    id: 'e-1',
    attempt: 1,
    givenUp: false,
    signal: stopping.signal,
    progress() {
      progress += 1;
    },
  };
  return {
    end: () => ports.apply_patch({ kind: 'apply_patch', update }, context),
    endOfBase: () => ports.apply_base({ kind: 'apply_base', update: { ...update, target: 'base' } }, context),
    takeBack: () => ports.arm_slot({ kind: 'arm_slot', update }, { ...context, attempt: 11, givenUp: true }),
    said,
    counts: () => ({ waits, progress }),
  };
}

const onBattery: InstallOutcome = {
  kind: 'failed',
  reason: 'it needs mains power, and the machine is on battery',
  passing: true,
};

test('a battery that is unplugged after the consent delays the patch, however long, and is no fault of it', async () => {
  const port = applying([...Array<InstallOutcome>(30).fill(onBattery), { kind: 'applied', steps: [] }]);
  const end = await port.end();
  assert.ok(end.kind === 'event' && end.event.type === 'integrity_ok');
  assert.deepEqual(port.counts(), { waits: 30, progress: 30 }, 'no wait counts as an attempt');
  assert.equal(port.said.filter((line) => line.startsWith('the patch waits: ')).length, 1);
});

test('a wait ends with the agent, and other failures are attempts', async () => {
  const stopped = applying(Array<InstallOutcome>(101).fill(onBattery));
  assert.deepEqual(await stopped.end(), onBattery);
  const failure: InstallOutcome = { kind: 'failed', reason: 'the service does not answer' };
  const port = applying([failure]);
  assert.deepEqual(await port.end(), failure);
  assert.deepEqual(port.counts(), { waits: 0, progress: 0 });
});

test('a base waits for mains power too, and what does not pass by itself is told at once', async () => {
  const { reason } = onBattery;
  const plugged = applying([], Array<Preflight>(30).fill({ kind: 'unmet', reason, passing: true }));
  assert.deepEqual(await plugged.endOfBase(), { kind: 'done' });
  assert.deepEqual(plugged.counts(), { waits: 30, progress: 30 });
  assert.deepEqual(plugged.said, [`the base waits: ${reason}`, 'the base is being written']);
  const stopped = applying([], Array<Preflight>(101).fill({ kind: 'unmet', reason, passing: true }));
  assert.deepEqual(await stopped.endOfBase(), { kind: 'failed', reason });
  const small = { kind: 'unmet', reason: 'system has 1 bytes, 2 are needed' } as const;
  const unfit = applying([], [small]);
  assert.deepEqual(await unfit.endOfBase(), { kind: 'failed', reason: small.reason });
  assert.equal(unfit.counts().waits, 0);
});

test('a base that was given up is taken back without its manifest, and on a machine that has lost its slots', async () => {
  for (const lost of [{ isHeld: false }, { hasSlots: false }]) {
    const port = applying([], [], lost);
    const event = { type: 'boot_sys', manifestDigest: update.manifest.digest, proven: false };
    assert.deepEqual(await port.takeBack(), { kind: 'event', event });
    assert.deepEqual(port.said, ['the base was given up: no attempt came to an end']);
  }
});
