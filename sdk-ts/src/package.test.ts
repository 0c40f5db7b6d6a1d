import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const project = mkdtempSync(join(tmpdir(), 'iotdh-sdk-'));
const installed = join(project, 'node_modules', '@iotdh', 'sdk');

const use = `
import { AgentError, createAgentClient, type StateChange } from '@iotdh/sdk';
import { unixSocketFetch } from '@iotdh/sdk/node';
import { State } from '@iotdh/sdk/proto';
import { createFakeAgent } from '@iotdh/sdk/testing';
const fake = createFakeAgent({ ready: true });
const agent = createAgentClient({ transport: fake.transport });
const lease = await agent.busy('exam');
const id: string = lease.id;
const states: StateChange['to'][] = [(await agent.getState()).state];
console.log(id.length, states, State.BUSY, typeof unixSocketFetch('/tmp/x'), new AgentError('internal', 'x').code);
await lease.release();
`;

/** What the example of the README leaves to the host application. */
const exampleNeeds = `
import type { Decision, PendingUpdate, Position } from '@iotdh/sdk';
declare function doTheExam(how: { signal: AbortSignal }): Promise<void>;
declare function lastPosition(): Promise<Position>;
declare function keep(position: Position): Promise<void>;
declare function ask(update: PendingUpdate): Promise<Decision>;
`;

describe('the published package', () => {
  before(() => {
    execFileSync(process.execPath, [join(root, 'build.ts'), installed]);
    for (const name of ['@bufbuild', '@connectrpc', '@types', 'undici-types']) {
      symlinkSync(join(root, '..', 'node_modules', name), join(project, 'node_modules', name));
    }
  });
  after(() => rmSync(project, { recursive: true, force: true }));

  it('has nothing that publint finds wrong', () => {
    const publint = join(root, '..', 'node_modules', '.bin', 'publint');
    const args = ['run', installed, '--strict', '--pack', 'false'];
    assert.match(execFileSync(publint, args, { encoding: 'utf8' }), /All good!/);
  });

  it('depends on nothing of this repository', () => {
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
      dependencies: object;
      private?: boolean;
    };
    assert.deepEqual(Object.keys(manifest.dependencies), [
      '@bufbuild/protobuf',
      '@connectrpc/connect',
      '@connectrpc/connect-web',
    ]);
    assert.equal(manifest.private, undefined);
  });

  it('needs nothing of Node.js but where it says so', () => {
    const graph = new Set<string>();
    const visit = (file: string): void => {
      if (graph.has(file)) return;
      graph.add(file);
      for (const [, to] of readFileSync(file, 'utf8').matchAll(/from ['"](\.[^'"]+)['"]/g)) {
        visit(join(dirname(file), to ?? ''));
      }
    };
    for (const entry of ['index', 'proto', 'fake-agent'])
      visit(join(installed, 'sdk-ts', 'src', `${entry}.js`));
    assert.ok(graph.size > 20);
    for (const file of graph)
      assert.doesNotMatch(readFileSync(file, 'utf8'), /from ['"]node:|\bprocess\./, file);
  });

  it('type-checks and runs where it is installed', () => {
    mkdirSync(join(project, 'src'));
    writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(project, 'src', 'use.ts'), use);
    const [, example] = /```ts\n([\s\S]+?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? [];
    writeFileSync(join(project, 'src', 'example.ts'), `${example}${exampleNeeds}`);
    const lib = ['es2024', 'esnext.disposable', 'dom', 'dom.iterable'];
    const compilerOptions = { module: 'nodenext', target: 'es2022', lib, strict: true, types: ['node'] };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['src'] }));
    const tsc = join(root, '..', 'node_modules', '.bin', 'tsc');
    execFileSync(tsc, ['-p', project], { encoding: 'utf8' });
    const output = execFileSync(process.execPath, [join(project, 'src', 'use.js')], { encoding: 'utf8' });
    assert.match(output, /^36 \[ 'BUSY' \] 1 function internal/);
  });
});
