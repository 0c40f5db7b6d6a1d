/** `@iotdh/sdk/node`: reaches the agent over its Unix socket, or its named pipe on Windows, where no token is needed. */
import http from 'node:http';
import { Readable } from 'node:stream';

/** As many as a host application can want at once: a stream, and a few calls beside it. */
const maxSockets = 16;

/**
 * A `fetch` that connects to `socketPath` whatever the URL's host: `createAgentClient({ fetch: unixSocketFetch(path) })`.
 * It does what the SDK needs, HTTP/1.1 with a body in one piece, and no more. Rejects with a TypeError, as `fetch` does.
 */
export function unixSocketFetch(socketPath: string): typeof globalThis.fetch {
  const agent = new http.Agent({ keepAlive: true, maxSockets });
  return (input, init = {}) =>
    new Promise((resolve, reject) => {
      const url = new URL(input instanceof Request ? input.url : input);
      const { method = 'GET', headers, body, signal } = init;
      const request = http.request({
        ...{ agent, socketPath, method },
        path: url.pathname + url.search,
        headers: { host: url.host, ...Object.fromEntries(new Headers(headers)) },
        ...(signal && { signal }),
      });
      request.once('error', (cause) => {
        reject(signal?.aborted === true ? signal.reason : new TypeError('fetch failed', { cause }));
      });
      request.once('response', (response) => {
        const received = new Headers();
        for (const [name, values] of Object.entries(response.headersDistinct)) {
          for (const value of values ?? []) received.append(name, value);
        }
        const status = response.statusCode ?? 0;
        const empty = status === 204 || status === 304 || method === 'HEAD';
        if (empty) response.resume();
        // Two declarations of the same stream, of Node.js and of the DOM.
        const stream = empty ? null : (Readable.toWeb(response) as ReadableStream<Uint8Array>);
        resolve(new Response(stream, { status, headers: received }));
      });
      request.end(body);
    });
}
