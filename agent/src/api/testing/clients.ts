/** Clients of the server over every protocol, HTTP version and carrier. */
import net from 'node:net';
import { type Client, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { AgentService } from '@iotdh/proto/agent/v1';
import { type Rig, token } from './rig.ts';

export type AgentClient = Client<typeof AgentService>;

const bearing =
  (value: string): Interceptor =>
  (next) =>
  (request) => {
    request.header.set('authorization', `Bearer ${value}`);
    return next(request);
  };

/** Over the Unix socket. */
export const clientOf = ({ socketPath }: Rig): AgentClient =>
  createClient(
    AgentService,
    createConnectTransport({
      httpVersion: '1.1',
      baseUrl: 'http://agent',
      nodeOptions: { socketPath, agent: false },
    }),
  );

/** Over loopback. */
export function loopbackClientOf({ url }: Rig, given: string | null = token): AgentClient {
  const interceptors = given === null ? [] : [bearing(given)];
  return createClient(
    AgentService,
    createConnectTransport({ httpVersion: '1.1', baseUrl: url, interceptors }),
  );
}

/** Every way to speak to the server, by name. */
export function everyTransport({ socketPath, url }: Rig): Record<string, Transport> {
  const interceptors = [bearing(token)];
  const one = { httpVersion: '1.1' as const };
  const two = { httpVersion: '2' as const };
  const tcp = { baseUrl: url, interceptors };
  const unixOne = { ...one, baseUrl: 'http://agent', nodeOptions: { socketPath, agent: false } };
  const nodeOptions = { createConnection: () => net.connect({ path: socketPath }) };
  const unixTwo = { ...two, baseUrl: 'http://agent', nodeOptions };
  return {
    'Connect, HTTP/1.1, socket': createConnectTransport(unixOne),
    'Connect, HTTP/2, socket': createConnectTransport(unixTwo),
    'Connect, HTTP/1.1, loopback': createConnectTransport({ ...one, ...tcp }),
    'Connect in JSON, HTTP/2, loopback': createConnectTransport({ ...two, ...tcp, useBinaryFormat: false }),
    'gRPC, HTTP/2, socket': createGrpcTransport({ baseUrl: 'http://agent', nodeOptions }),
    'gRPC, HTTP/2, loopback': createGrpcTransport(tcp),
    'gRPC-Web, HTTP/1.1, socket': createGrpcWebTransport(unixOne),
    'gRPC-Web, HTTP/1.1, loopback': createGrpcWebTransport({ ...one, ...tcp }),
  };
}
