/** Writes a reply to the wire. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Reply } from './exchange.ts';

/** An unread request body up to this size is read and thrown away, so that the connection can be used again. */
const maxDrainedBytes = 4 * 1024 * 1024;

/** Sends the reply. When the request's body was not read and is long, the connection ends with it. */
export function sendReply(
  request: IncomingMessage,
  response: ServerResponse,
  reply: Reply,
  requestId: string,
): void {
  const { body } = reply;
  const content = body === undefined || Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  const unread = !request.complete && !(Number(request.headers['content-length']) <= maxDrainedBytes);
  response.writeHead(reply.status, {
    'x-ms-request-id': requestId,
    ...(reply.status !== 204 && { 'Content-Length': content?.length ?? 0 }),
    ...(content !== undefined &&
      !Buffer.isBuffer(body) && { 'Content-Type': 'application/json; charset=utf-8' }),
    ...(unread && { Connection: 'close' }),
    ...reply.headers,
  });
  response.end(content);
  request.resume();
}
