/**
 * Reads a range of a blob over HTTPS (RFC 9110, section 14; "Get Blob"): TLS, no redirects, exactly the bytes that were asked for, or
 * a fault. The address has a signature in it, so that no fault quotes it.
 */
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';

/**
 * - `expired`: the address is no longer good for this; another may be;
 * - `missing`: there is no such blob;
 * - `busy`: the storage wants to be asked later, after `retryMs` if it says when;
 * - `unusable`: what answers does not do what it must, such as to honour the range;
 * - `unreachable`: nothing answers, or it stopped in the middle.
 */
export type RangeFault =
  | { kind: 'expired' | 'missing' | 'unusable' | 'unreachable'; detail: string }
  | BusyFault;
type BusyFault = { kind: 'busy'; detail: string; retryMs: number | null };

export type ReadRange = (
  range: { url: string; offset: number; length: number },
  onPiece: (piece: Uint8Array) => Promise<void>,
  signal: AbortSignal,
) => Promise<{ kind: 'read' } | RangeFault>;

export type RangeReader = { read: ReadRange; close(): void };

export type RangeReaderOptions = {
  /** The one authority that is trusted, as PEM; null: those of the system. */
  caPem: string | null;
  /** How long without a byte until a connection counts as lost, in ms. Default 30,000. */
  idleMs?: number;
};

/** Of one device; each carries one range at a time. */
const maxConnections = 2;
const maxHeaderBytes = 16 * 1024;
const maxRetryMs = 3_600_000;

export function createRangeReader({ caPem, idleMs = 30_000 }: RangeReaderOptions): RangeReader {
  const agent = new Agent({
    keepAlive: true,
    maxSockets: maxConnections,
    timeout: idleMs,
    ...(caPem !== null && { ca: caPem }),
  });

  function open(url: string, offset: number, length: number, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const headers = { range: `bytes=${offset}-${offset + length - 1}`, 'x-ms-version': '2021-12-02' };
      const asked = request(url, { agent, headers, signal, maxHeaderSize: maxHeaderBytes }, resolve);
      asked.on('timeout', () => asked.destroy(new Error('no byte came for too long')));
      asked.on('error', reject);
      asked.end();
    });
  }

  return {
    async read({ url, offset, length }, onPiece, signal) {
      if (!url.startsWith('https://')) return { kind: 'unusable', detail: 'the address is not one of HTTPS' };
      let response: IncomingMessage | undefined;
      try {
        response = await open(url, offset, length, signal);
        const fault = faultOf(response, offset, length);
        if (fault !== null) return fault;
        let left = length;
        for await (const piece of response as AsyncIterable<Uint8Array>) {
          if (piece.length > left) return { kind: 'unusable', detail: 'more came than was asked for' };
          left -= piece.length;
          await onPiece(piece);
        }
        if (left > 0) return { kind: 'unreachable', detail: 'the answer ended early' };
        return { kind: 'read' };
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        return { kind: 'unreachable', detail: code ?? message.replaceAll(url, 'the blob') };
      } finally {
        // Of a whole answer nothing is left, and its connection is used again.
        if (response?.complete !== true) response?.destroy();
      }
    },
    close: () => agent.destroy(),
  };
}

function faultOf(response: IncomingMessage, offset: number, length: number): RangeFault | null {
  const { statusCode = 0, headers } = response;
  const detail = `the storage answers ${statusCode}`;
  if (statusCode === 206) {
    const wanted = `bytes ${offset}-${offset + length - 1}/`;
    if (headers['content-range']?.startsWith(wanted) === true) return null;
    return { kind: 'unusable', detail: 'another range came than was asked for' };
  }
  // Nothing of it is of use; a connection that still has to bring it is not worth keeping.
  response.destroy();
  if (statusCode === 200) return { kind: 'unusable', detail: 'the range was not honoured' };
  if (statusCode === 401 || statusCode === 403) return { kind: 'expired', detail };
  if (statusCode === 404 || statusCode === 410) return { kind: 'missing', detail };
  if (statusCode === 408 || statusCode === 429 || statusCode >= 500) {
    const seconds = Number(headers['retry-after']);
    const retryMs = seconds > 0 ? Math.min(seconds * 1000, maxRetryMs) : null;
    return { kind: 'busy', detail, retryMs };
  }
  if (statusCode >= 300 && statusCode < 400)
    return { kind: 'unusable', detail: `${detail}, which is not followed` };
  return { kind: 'unusable', detail };
}
