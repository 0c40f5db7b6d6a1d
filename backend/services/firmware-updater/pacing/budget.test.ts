import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowanceOf } from '../../../shared/quota/hub-settings.ts';
import { createReplicas, jobs, message, s1, settle, startMs } from '../testing/replicas.ts';

test('two replicas together keep to the share, and neither starves the other', async () => {
  const bench = createReplicas();
  const replicas = [bench.replica('a'), bench.replica('b', 1_800_000)];
  for (let minute = 0; minute < 4; minute += 1) {
    for (const [index, { pacer }] of replicas.entries()) {
      for (let n = 0; n < 10; n += 1) {
        const device = `d${index}-${n}`;
        pacer.frames(device, jobs(device, minute * 100, 32));
      }
    }
    await bench.pass(30_000);
    await bench.pass(30_000);
  }
  const counts = ['a', 'b'].map((name) => bench.sent.filter(({ replica }) => replica === name).length);
  const [a = 0, b = 0] = counts;
  assert.ok(a + b > 0.9 * 320 && a + b <= 330, `${a} and ${b} in four minutes at 80 a minute`);
  assert.ok(Math.min(a, b) > 0.35 * (a + b), `${a} and ${b}`);
  // A few steps a second, whatever is sent.
  assert.ok(bench.steps() < 1_000, `${bench.steps()} steps`);
});

test('a command goes within a second while fifty devices wait for frames, at either replica', async () => {
  const bench = createReplicas();
  const [a, b] = [bench.replica('a'), bench.replica('b')];
  for (let n = 0; n < 50; n += 1) a.pacer.frames(`d${n}`, jobs(`d${n}`, 0, 32));
  await bench.pass(20_000);
  for (const [index, { pacer }] of [a, b, a, b, a, b].entries()) {
    const id = `command${index}`;
    const askedMs = bench.sent.at(-1)?.atMs ?? 0;
    void pacer.command(message('d0', id));
    await bench.pass(1_000);
    assert.ok(
      bench.sent.some((one) => one.id === id),
      `${id} waited since ${askedMs}`,
    );
    await bench.pass(2_000);
  }
});

test('a command need not wait for what frames wait for', async () => {
  const bench = createReplicas();
  const { pacer } = bench.replica('a');
  await bench.pass(60_000);
  pacer.frames('d1', jobs('d1', 0, 32));
  await bench.pass(10);
  const before = bench.sent.length;
  void pacer.command(message('d2', 'urgent'));
  await bench.pass(10);
  assert.equal(bench.sent[before]?.id, 'urgent');
});

test('a replica that dies leaves its grant counted, and the others go on', async () => {
  const bench = createReplicas();
  const { pacer } = bench.replica('alive');
  pacer.frames('d1', jobs('d1', 0, 32));
  await bench.pass(90_000);
  // Its grant is spent by nobody from here on.
  await bench.store.step({
    ...{ replicaId: 'killed', step: 1, policy: s1, unitsPerFrame: 15, refused: false },
    left: { step: 0, messages: 0, frameUnits: 0 },
    sent: { commands: { messages: 0, units: 0 }, frames: { messages: 0, units: 0 } },
    waiting: { commands: 0, frames: 9 },
  });
  const heldUnits = bench.account().leases.find(({ replicaId }) => replicaId === 'killed')?.frameUnits ?? 0;
  assert.ok(heldUnits > 0);
  await bench.pass(61_000);
  pacer.frames('d1', jobs('d1', 100, 5));
  await bench.pass(60_000);
  assert.equal(bench.sent.length, 37);
  assert.equal(
    bench.account().leases.some(({ replicaId }) => replicaId === 'killed'),
    false,
  );
  const units = bench.sent.length * 15;
  assert.equal(bench.account().frames.units, units + heldUnits);
});

test('a step whose answer is lost counts once', async () => {
  const bench = createReplicas();
  const { pacer, budget } = bench.replica('a');
  await bench.pass(60_000);
  bench.loseAnswer();
  pacer.frames('d1', jobs('d1', 0, 10));
  await bench.pass(60_000);
  assert.equal(bench.sent.length, 10);
  await budget.stop();
  assert.equal(bench.account().frames.units, 150);
  assert.equal(bench.account().frames.messages, 10);
});

test('while the database is away nothing is sent, and then it goes on', async () => {
  const bench = createReplicas();
  const { pacer } = bench.replica('a');
  bench.away(true);
  pacer.frames('d1', jobs('d1', 0, 3));
  await bench.pass(20_000);
  assert.equal(bench.sent.length, 0);
  bench.away(false);
  await bench.pass(20_000);
  assert.equal(bench.sent.length, 3);
});

test('when the day’s share is used up every device that waits is told at once, and midnight begins anew', async () => {
  const bench = createReplicas({ ...s1, frameUnitsPerDay: 60 });
  const { pacer, budget } = bench.replica('a', 3_600_000);
  const told: number[] = [];
  pacer.frames('d1', jobs('d1', 0, 10, told));
  await bench.pass(30_000);
  assert.equal(bench.sent.length, 4);
  assert.equal(told.length, 6);
  // By the replica's own clock, which is an hour ahead of the database's.
  assert.equal(told[0], Date.parse('2026-12-01T01:00:00Z'));
  assert.equal(pacer.waiting.frames, 0);
  void pacer.command(message('d1', 'command'));
  await bench.pass(5_000);
  assert.equal(bench.sent.at(-1)?.id, 'command');
  await bench.pass(12 * 3_600_000);
  assert.equal(budget.framesFromMs(startMs + 13 * 3_600_000 + 60_000), undefined);
  pacer.frames('d1', jobs('d1', 20, 2));
  await bench.pass(20_000);
  assert.equal(bench.sent.length, 7);
});

test('a share of the day that is raised after it was used up holds within seconds, and so does a clock that is set back', async () => {
  const bench = createReplicas({ ...s1, shares: { ratePercent: 80, dailyPercent: 1 } });
  const a = bench.replica('a');
  // One percent of the day is 266 frames, and three minutes at the rate.
  for (let n = 0; n < 20; n += 1) {
    a.pacer.frames(`d${n}`, jobs(`d${n}`, 0, 32));
    await bench.pass(20_000);
  }
  assert.equal(bench.sent.length, 266);
  assert.ok(a.budget.framesFromMs(startMs + bench.passedMs()) !== undefined);
  bench.setAccount({ shares: { ratePercent: 80, dailyPercent: 2 } });
  await bench.pass(10_000);
  assert.equal(a.budget.framesFromMs(startMs + bench.passedMs()), undefined);
  a.pacer.frames('d1', jobs('d1', 100, 5));
  await bench.pass(10_000);
  assert.equal(bench.sent.length, 271);

  bench.setAccount({ shares: { ratePercent: 80, dailyPercent: 1 } });
  a.pacer.frames('d1', jobs('d1', 200, 5));
  await bench.pass(20_000);
  const untilMs = a.budget.framesFromMs(startMs + bench.passedMs());
  assert.equal(untilMs, startMs + 43_200_000);
  a.setClock(-3_600_000);
  await bench.pass(10_000);
  assert.equal(a.budget.framesFromMs(startMs + bench.passedMs() - 3_600_000), untilMs - 3_600_000);
});

test('a share that is lowered or raised in the middle holds within seconds', async () => {
  const bench = createReplicas();
  const { pacer } = bench.replica('a');
  const sentIn = async (ms: number): Promise<number> => {
    const before = bench.sent.length;
    for (let passed = 0; passed < ms; passed += 30_000) {
      for (let n = 0; n < 4; n += 1) pacer.frames(`d${n}`, jobs(`d${n}`, bench.sent.length * 100, 32));
      await bench.pass(30_000);
    }
    return bench.sent.length - before;
  };
  await sentIn(60_000);
  assert.ok(Math.abs((await sentIn(120_000)) - 160) < 12);
  bench.setAccount({ shares: { ratePercent: 20, dailyPercent: 50 } });
  await sentIn(30_000);
  assert.ok(Math.abs((await sentIn(120_000)) - 40) < 6);
  bench.setAccount({ shares: null });
  await sentIn(30_000);
  assert.ok(Math.abs((await sentIn(120_000)) - 160) < 12);
});

test('a stop gives back what was not used, and tells what was', async () => {
  const bench = createReplicas();
  const { pacer, budget } = bench.replica('a');
  await bench.pass(60_000);
  pacer.frames('d1', jobs('d1', 0, 1));
  void pacer.command(message('d1', 'command'));
  await bench.pass(100);
  await budget.stop();
  const { frames, commands } = bench.account();
  assert.deepEqual([frames, commands.messages], [{ messages: 1, units: 15 }, 1]);
});

test('without a limit nothing is asked for, and what was sent is counted all the same', async () => {
  const bench = createReplicas({ ...s1, hub: null });
  const { pacer } = bench.replica('a');
  for (let n = 0; n < 20; n += 1) pacer.frames(`d${n}`, jobs(`d${n}`, 0, 3));
  await settle();
  await bench.pass(60_000);
  assert.equal(bench.sent.length, 60);
  assert.deepEqual(bench.account().frames, { messages: 60, units: 900 });
  assert.equal(allowanceOf({ ...s1, hub: null }, null).messagesPerMinute, Number.POSITIVE_INFINITY);
});
