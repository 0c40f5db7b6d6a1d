/**
 * Lets the dashboard's pages reach the API (https://fetch.spec.whatwg.org/#http-cors-protocol): only those of the origins that
 * the installation names. They need a token all the same.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { cors } from '@connectrpc/connect';

const maxAgeSeconds = '7200';

/** The headers that let this page read the answer; none for a page of another origin. */
export function corsHeaders(
  { origin }: IncomingHttpHeaders,
  allowedOrigins: readonly string[],
): Record<string, string> {
  if (origin === undefined || !allowedOrigins.includes(origin)) return {};
  return {
    'access-control-allow-origin': origin,
    'access-control-allow-methods': cors.allowedMethods.join(', '),
    'access-control-allow-headers': ['authorization', 'traceparent', ...cors.allowedHeaders].join(', '),
    'access-control-expose-headers': cors.exposedHeaders.join(', '),
    'access-control-max-age': maxAgeSeconds,
    vary: 'origin',
  };
}
