import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Component, FileSetMode } from '@iotdh/proto/update/v1';
import type { ActionEnd } from './ports.ts';
import { temporaryFolder } from './testing/bench.ts';
import { installOn, openMachine, type PretendMachine } from './testing/machine.ts';
import { authorOn } from './testing/pack.ts';
import { createRandom } from './testing/random.ts';
import { plant, treeOf } from './testing/tree.ts';

/** Any number of components over two roots and one connection, in any order. */
function randomComponents(machine: PretendMachine, random: () => number): Component[] {
  const author = authorOn(machine);
  const restart = { kind: { case: 'restartService' as const, value: { name: 'carto' } } };
  const around = () => ({ followUps: random() < 0.5 ? [restart] : [] });
  const names = ['a', 'b', 'C/d', 'C/e', 'f/g/h'];
  return Array.from({ length: 1 + Math.floor(random() * 4) }, (_, index) => {
    const id = `c${index}`;
    if (random() < 0.25) return author.connection(id, `${random()}.example`, around());
    const mode = random() < 0.5 ? FileSetMode.MERGE : FileSetMode.REPLACE_ROOT;
    const files: Record<string, string | null> = {};
    for (const name of names.filter(() => random() < 0.6)) {
      files[name] = mode === FileSetMode.MERGE && random() < 0.3 ? null : String(random());
    }
    return author.files(id, files, {
      ...around(),
      mode,
      root: random() < 0.5 ? 'app' : 'tool',
      version: `${random()}`,
    });
  });
}

async function everythingOn(machine: PretendMachine, components: readonly Component[]) {
  return {
    roots: treeOf(join(machine.folder, 'roots')),
    settings: await machine.connections.read('log-collection', ''),
    versions: await Promise.all(components.map(({ id }) => machine.products.versionOf(id))),
  };
}

async function tryOnce(t: TestContext, seed: number): Promise<string> {
  const random = createRandom(seed);
  const machine = openMachine(temporaryFolder(t));
  plant(join(machine.folder, 'roots'), { 'app/a': 'old a', 'app/C/d': 'old d', 'tool/f/g/h': 'old h' });
  await machine.connections.write('log-collection', '', { host: 'old.example' });
  const components = randomComponents(machine, random);
  const before = await everythingOn(machine, components);

  let fails = 0;
  /** Everything outside the installers may fail or break on the way forward, never on the way back. */
  let goingBack = false;
  const mayFail = (): boolean => {
    if (goingBack || random() > 0.06) return false;
    fails += 1;
    return true;
  };
  const { host, connections, products } = machine;
  const outcome = await installOn(machine, {
    onFailPoint(point) {
      if (point === 'undo_decided') goingBack = true;
      const inApply = ['root_moved_out', 'root_moved_in', 'files_kept', 'file_replaced', 'settings_written'];
      if (inApply.includes(point) && mayFail()) throw new Error(`it breaks at ${point}`);
    },
    host: {
      ...host,
      async restartService(name, signal, operation): Promise<ActionEnd> {
        return mayFail()
          ? { kind: 'failed', reason: 'the unit failed' }
          : await host.restartService(name, signal, operation);
      },
    },
    connections: {
      ...connections,
      probe: async (target, name, signal) => !mayFail() && (await connections.probe(target, name, signal)),
    },
    products: {
      ...products,
      async set(product, version) {
        if (mayFail()) throw new Error('the register cannot be written');
        await products.set(product, version);
      },
    },
  }).apply({
    id: 'job',
    manifest: authorOn(machine).manifest(components),
    contentPath: machine.contentPath,
    signal: new AbortController().signal,
    progress() {},
  });

  const after = await everythingOn(machine, components);
  if (outcome.kind === 'applied') {
    for (const { kind, id } of components) {
      if (kind.case !== 'hostApplication') continue;
      assert.equal(
        after.versions[components.findIndex((each) => each.id === id)],
        kind.value.product?.version,
      );
    }
  } else {
    assert.ok(outcome.kind === 'fault' && outcome.takenBack, `seed ${seed} ended as ${outcome.kind}`);
    assert.deepEqual(withoutFolders(after), withoutFolders(before), `seed ${seed}`);
  }
  assert.equal(outcome.kind === 'applied' && fails > 0 && !couldRecover(components), false, `seed ${seed}`);
  return outcome.kind;
}

/** A probe that fails once is repeated; nothing else is. */
const couldRecover = (components: readonly Component[]) =>
  components.some(({ kind }) => kind.case === 'connections');

function withoutFolders({ roots, ...rest }: Awaited<ReturnType<typeof everythingOn>>) {
  return { ...rest, roots: Object.entries(roots ?? {}).filter(([path]) => !path.endsWith('/')) };
}

test('whatever fails on the way, 30 random patches end wholly new or wholly old', async (t) => {
  const ends = new Map<string, number>();
  for (let seed = 1; seed <= 30; seed += 1) {
    const end = await tryOnce(t, seed);
    ends.set(end, (ends.get(end) ?? 0) + 1);
  }
  assert.ok((ends.get('applied') ?? 0) > 4, 'enough of them pass');
  assert.ok((ends.get('fault') ?? 0) > 4, 'enough of them fail');
});
