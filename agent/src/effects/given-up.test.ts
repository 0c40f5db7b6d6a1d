import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import {
  StepOutcomeSchema,
  StepResult,
  UpdateOutcome,
  type UpdateResult,
  UpdateStep,
  UpgradeOfferSchema,
} from '@iotdh/proto/bus/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
import type { EffectContext, Report } from '../machine/effect.ts';
import { redactText } from '../redaction/redact.ts';
import { newRecord, packOf } from '../updates/record.ts';
import { openUpdates } from '../updates/update-store.ts';
import { createApplyPorts } from './apply-ports.ts';
import { createReportPort } from './report-port.ts';

const context: EffectContext = {
  ...{ id: 'e-1', attempt: 1, givenUp: false },
  signal: new AbortController().signal,
  progress() {},
};
const undone = create(StepOutcomeSchema, { step: UpdateStep.UNDO, result: StepResult.OK });

/** An agent that is started anew whenever it is asked for, over one folder; `failure` is what its disk says of every attempt. */
function agents(t: TestContext, failure: string) {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-given-up-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const ref = (kind: UpdateKind) => ({
    digest: new Uint8Array(32).fill(kind),
    name: 'carto',
    version: '2.0',
    kind,
  });
  const record = newRecord(
    create(UpgradeOfferSchema, {
      ...{ assignmentId: randomUUID(), transferId: randomUUID(), frameSize: 4096 },
      ...{ manifest: ref(UpdateKind.PATCH), fallback: ref(UpdateKind.BASE) },
    }),
    '',
  );
  openUpdates(folder, () => {}).put(record);
  const { updateId, patch, base } = packOf(record);
  const results: UpdateResult[] = [];
  const start = () => {
    const updates = openUpdates(folder, () => {});
    const breaks = async () => {
      throw new Error(failure);
    };
    const apply = createApplyPorts({
      updates,
      manifests: { of: () => ({}) } as never,
      installer: { apply: breaks } as never,
      base: {
        applyBase: breaks,
        takeBack: async () => ({ kind: 'event', event: { type: 'boot_sys', proven: false } }),
        steps: () => [undone],
      } as never,
      preflight: async () => ({ kind: 'met' }),
      contentPath: () => '',
      sleep: async () => {},
      redact: redactText,
      log() {},
    });
    const { report } = createReportPort({
      updates,
      inventory: { products: () => [] } as never,
      async tell(payload) {
        if (payload.case === 'updateResult') results.push(payload.value as UpdateResult);
        return { kind: 'told' } as never;
      },
      consentsToTell: () => [],
      onApplied() {},
      onDecided() {},
      forget: async () => {},
      now: () => 1_700_000_000_000,
      log() {},
    });
    return { ...apply, tell: (told: Report) => report({ kind: 'report', report: told }, context) };
  };
  assert.ok(base !== null);
  return {
    start,
    results,
    patch: { updateId, target: 'patch', manifest: patch } as const,
    base: { updateId, target: 'base', manifest: base } as const,
  };
}

test('the result of a base that was given up says why the last attempt failed, over a restart and without secrets', async (t) => {
  const { start, base, results } = agents(t, 'EIO: i/o error, write /dev/sda3 with SharedAccessKey=abcdef');
  const attempt = await start().apply_base({ kind: 'apply_base', update: base }, context);
  assert.ok(attempt.kind === 'failed');
  const next = start();
  await next.arm_slot({ kind: 'arm_slot', update: base }, { ...context, attempt: 11, givenUp: true });
  await next.tell({ kind: 'ended', update: base, ending: 'fell_back' });
  const [result] = results;
  assert.equal(result?.outcome, UpdateOutcome.TAKEN_BACK);
  assert.deepEqual(
    result.steps.map(({ step, result: how, detail }) => [step, how, detail]),
    [
      [
        UpdateStep.APPLY,
        StepResult.FAILED,
        'the base was given up: EIO: i/o error, write /dev/sda3 with SharedAccessKey=[secret]',
      ],
      [UpdateStep.UNDO, StepResult.OK, ''],
    ],
  );
});

test('the result of a patch that was given up says it too, cut to what a result holds', async (t) => {
  const { start, patch, results } = agents(t, `the disk is broken ${'x'.repeat(5_000)}`);
  const agent = start();
  await agent.apply_patch({ kind: 'apply_patch', update: patch }, context);
  await agent.tell({ kind: 'integrity_fault', update: patch, reason: 'given up after 10 attempts' });
  const detail = results[0]?.steps[0]?.detail ?? '';
  assert.match(detail, /^given up after 10 attempts: the disk is broken x+$/);
  assert.equal(detail.length, 1_000);
});
