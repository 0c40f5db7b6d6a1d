/** Reads the body of a request up to a limit. */
import type { IncomingMessage } from 'node:http';
import { HubError } from '../engine/error.ts';

/**
 * Resolves to the body. Rejects with HubError `MessageTooLarge` as soon as more than `maxBytes` are announced or have come,
 * leaving the request open for a reply; with the request's own error when the client went away.
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;

    function finish(error?: Error): void {
      request.off('data', onData).off('end', onEnd).off('error', finish).off('close', onClose);
      const [first] = chunks;
      if (error) reject(error);
      else resolve(chunks.length === 1 && first ? first : Buffer.concat(chunks, size));
    }
    function onData(chunk: Buffer): void {
      size += chunk.length;
      if (size > maxBytes) refuse();
      else chunks.push(chunk);
    }
    function onEnd(): void {
      finish();
    }
    function onClose(): void {
      finish(new Error('the client went away'));
    }
    function refuse(): void {
      finish(new HubError('MessageTooLarge', `The request body is larger than ${maxBytes} bytes`));
    }

    if (Number(request.headers['content-length'] ?? 0) > maxBytes) {
      refuse();
      return;
    }
    request.on('data', onData).on('end', onEnd).on('error', finish).on('close', onClose);
  });
}
