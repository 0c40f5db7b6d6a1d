import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttp1Server } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { clone, create, createFileRegistry, type DescMethodClientStreaming } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type ConnectRouter, createClient, type Transport } from '@connectrpc/connect';
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import {
  AgentService,
  file_iotdh_agent_v1_agent_service,
  LogLevel,
  State,
  SubmitLogRequestSchema,
} from '@iotdh/proto/agent/v1';
import { ViolationsSchema } from '@iotdh/proto/buf/validate';
import { createLimits } from '@iotdh/proto/limits';
import { bareSnapshot, hold } from './cases/agent.ts';

type Wire = { name: string; http2: boolean; transport: (baseUrl: string) => Transport };

const wires: Wire[] = [
  {
    name: 'Connect over HTTP/1.1',
    http2: false,
    transport: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1' }),
  },
  {
    name: 'Connect over HTTP/2',
    http2: true,
    transport: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '2' }),
  },
  { name: 'gRPC over HTTP/2', http2: true, transport: (baseUrl) => createGrpcTransport({ baseUrl }) },
  {
    name: 'gRPC-Web over HTTP/1.1',
    http2: false,
    transport: (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1' }),
  },
];

async function listen(
  t: TestContext,
  wire: Wire,
  routes: (router: ConnectRouter) => void,
  readMaxBytes?: number,
) {
  const limits = createLimits(readMaxBytes === undefined ? {} : { readMaxBytes });
  const handler = connectNodeAdapter({ routes, ...limits });
  const server = wire.http2 ? createHttp2Server(handler) : createHttp1Server(handler);
  // An HTTP/2 session of a client outlives its requests; ending them is what lets the server close.
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => sockets.add(socket));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return wire.transport(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

/** Serves what the tests call and notes which handlers ran. */
function agentRoutes(reached: string[]) {
  return (router: ConnectRouter) =>
    router.service(AgentService, {
      setBusy(request) {
        reached.push(`setBusy ${request.reason?.text}`);
        return { snapshot: bareSnapshot, hold };
      },
      async *watchState() {
        reached.push('watchState');
        yield { kind: { case: 'heartbeat', value: { sequence: 1n } } };
      },
    });
}

/** The violations that an error carries, as "field: rule id". */
function violated(error: ConnectError): string[] {
  return error
    .findDetails(ViolationsSchema)
    .flatMap(({ violations }) => violations)
    .map(
      ({ field, ruleId }) =>
        `${field?.elements.map(({ fieldName }) => fieldName).join('.') ?? ''}: ${ruleId}`,
    );
}

async function refusal(call: () => Promise<unknown>): Promise<ConnectError> {
  try {
    await call();
  } catch (error) {
    return ConnectError.from(error);
  }
  return assert.fail('the call succeeded');
}

async function drain(messages: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of messages) count += 1;
  return count;
}

for (const wire of wires) {
  test(`${wire.name}: an invalid request fails naming the field and never reaches its handler`, async (t) => {
    const reached: string[] = [];
    const client = createClient(AgentService, await listen(t, wire, agentRoutes(reached)));
    const error = await refusal(() =>
      client.setBusy({ reason: { text: 'x'.repeat(201) }, leaseDuration: { seconds: 0n }, leaseId: 'mine' }),
    );
    assert.equal(error.code, Code.InvalidArgument);
    assert.deepEqual(violated(error), [
      'reason.text: string.max_len',
      'lease_duration: duration.gte_lte',
      'lease_id: string.uuid',
    ]);
    assert.deepEqual(reached, []);
  });

  test(`${wire.name}: an invalid request for a stream fails before the stream begins`, async (t) => {
    const reached: string[] = [];
    const client = createClient(AgentService, await listen(t, wire, agentRoutes(reached)));
    const error = await refusal(() => drain(client.watchState({ heartbeatInterval: { seconds: 61n } })));
    assert.equal(error.code, Code.InvalidArgument);
    assert.deepEqual(violated(error), ['heartbeat_interval: duration.gte_lte']);
    assert.deepEqual(reached, []);
  });

  test(`${wire.name}: valid requests reach their handlers`, async (t) => {
    const reached: string[] = [];
    const client = createClient(AgentService, await listen(t, wire, agentRoutes(reached)));
    const { snapshot } = await client.setBusy({ reason: { text: 'exam' } });
    assert.equal(snapshot?.state, State.BUSY);
    assert.equal(await drain(client.watchState({})), 1);
    assert.deepEqual(reached, ['setBusy exam', 'watchState']);
  });

  test(`${wire.name}: a request over the size that a server reads is refused unread`, async (t) => {
    const reached: string[] = [];
    const client = createClient(AgentService, await listen(t, wire, agentRoutes(reached), 100));
    const error = await refusal(() => client.setBusy({ reason: { text: 'x'.repeat(200) } }));
    assert.equal(error.code, Code.ResourceExhausted);
    assert.deepEqual(reached, []);
  });
}

test('a message in the middle of a request stream is held to its limits too', async (t) => {
  const method = uploading();
  const received: unknown[] = [];
  const wire = wires.find(({ http2 }) => http2);
  assert.ok(wire);
  const transport = await listen(t, wire, (router) =>
    router.rpc(method, async (requests) => {
      for await (const request of requests) received.push(request);
      return {};
    }),
  );
  const entry = { time: { seconds: 1n }, level: LogLevel.INFO, component: 'c', message: 'm' };
  async function* requests() {
    yield create(SubmitLogRequestSchema, { entries: [entry] });
    yield create(SubmitLogRequestSchema, { entries: [{ ...entry, message: '' }] });
  }
  const error = await refusal(async () => {
    const response = await transport.stream(method, undefined, undefined, undefined, requests());
    await drain(response.message);
  });
  assert.equal(error.code, Code.InvalidArgument);
  assert.deepEqual(violated(error), ['entries.message: string.min_len']);
  assert.equal(received.length, 1);
});

/** SubmitLog as it would be if it took a stream: the contract has no such method yet. */
function uploading(): DescMethodClientStreaming {
  const { proto, dependencies } = file_iotdh_agent_v1_agent_service;
  const copy = clone(FileDescriptorProtoSchema, proto);
  for (const method of copy.service.flatMap((service) => service.method)) {
    if (method.name === 'SubmitLog') method.clientStreaming = true;
  }
  const registry = createFileRegistry(copy, (name) => dependencies.find((file) => file.proto.name === name));
  const method = registry.getService(AgentService.typeName)?.method.submitLog;
  assert.equal(method?.methodKind, 'client_streaming');
  return method as DescMethodClientStreaming;
}
