import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import rhea, { type Delivery, type EventContext } from 'rhea';
import { createSettlement, type Verdict } from './settlement.ts';

const accepted: Verdict = { kind: 'accepted' };
const released: Verdict = { kind: 'released' };
const rejected = (condition: string): Verdict => ({ kind: 'rejected', condition, description: condition });

/** Sends as many messages as there are verdicts; the server settles them all in one turn. Resolves to what the client saw. */
async function outcomesAtClient(t: TestContext, verdicts: Verdict[], fixed: boolean): Promise<string[]> {
  const container = rhea.create_container();
  const deliveries: Delivery[] = [];
  const settle = fixed
    ? createSettlement()
    : (delivery: Delivery, verdict: Verdict) => {
        if (verdict.kind === 'accepted') delivery.accept();
        else if (verdict.kind === 'released') delivery.release();
        else delivery.reject({ condition: verdict.condition });
      };
  container.on('message', ({ delivery }: EventContext) => {
    deliveries.push(delivery!);
    if (deliveries.length === verdicts.length)
      for (const [index, verdict] of verdicts.entries()) settle(deliveries[index]!, verdict);
  });
  const server = createServer((socket) => {
    const connection = container.create_connection({
      receiver_options: { autoaccept: false },
    } as object as never);
    (connection as unknown as { accept(stream: unknown): void }).accept(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = rhea.create_container();
  const connection = client.connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    reconnect: false,
    username: 'anonymous',
  });
  t.after(() => {
    connection.close();
    server.close();
  });
  const seen: string[] = [];
  const all = new Promise<void>((resolve) => {
    const note = (outcome: string) => (context: EventContext) => {
      const error = (context.delivery?.remote_state as { error?: { condition?: string } } | undefined)?.error;
      seen[context.delivery!.id] = error?.condition ?? outcome;
      if (Object.keys(seen).length === verdicts.length) resolve();
    };
    for (const outcome of ['accepted', 'rejected', 'released']) client.on(outcome, note(outcome));
  });
  const sender = connection.open_sender('anywhere');
  sender.once('sendable', () => {
    for (const _ of verdicts) sender.send({ body: 'x' });
  });
  await all;
  return seen;
}

test('each outcome reaches the client as it was given, whatever its neighbours are', async (t) => {
  const patterns: [Verdict[], string[]][] = [
    [
      [accepted, accepted, rejected('a:b')],
      ['accepted', 'accepted', 'a:b'],
    ],
    [
      [rejected('a:b'), accepted],
      ['a:b', 'accepted'],
    ],
    [
      [accepted, released, accepted],
      ['accepted', 'released', 'accepted'],
    ],
    [
      [rejected('a:1'), rejected('a:2'), released],
      ['a:1', 'a:2', 'released'],
    ],
  ];
  for (const [verdicts, expected] of patterns)
    assert.deepEqual(await outcomesAtClient(t, verdicts, true), expected);
});

test('rhea still merges outcomes by itself, so that the rule is still needed', async (t) => {
  const seen = await outcomesAtClient(t, [accepted, rejected('a:b')], false);
  assert.deepEqual(seen, ['accepted', 'accepted']);
});

test('accepted messages of one turn are settled together, and the order is kept', () => {
  const turns: (() => void)[] = [];
  const settle = createSettlement((callback) => void turns.push(callback));
  const log: string[] = [];
  const delivery = (name: string) =>
    ({
      accept: () => log.push(`${name} accepted`),
      release: () => log.push(`${name} released`),
      reject: () => log.push(`${name} rejected`),
    }) as unknown as Delivery;
  settle(delivery('1'), accepted);
  settle(delivery('2'), accepted);
  settle(delivery('3'), rejected('a:b'));
  settle(delivery('4'), accepted);
  settle(delivery('5'), accepted);
  assert.deepEqual(log, ['1 accepted', '2 accepted']);
  turns.shift()?.();
  assert.deepEqual(log.slice(2), ['3 rejected']);
  turns.shift()?.();
  assert.deepEqual(log.slice(3), ['4 accepted', '5 accepted']);
  turns.shift()?.();
  assert.equal(turns.length, 0);
});
