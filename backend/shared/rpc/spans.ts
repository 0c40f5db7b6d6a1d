/** A span for each RPC, which goes on from the caller's traceparent; what the RPC sets in motion goes on from it. */
import {
  ConnectError,
  type ContextKey,
  type ContextValues,
  createContextKey,
  type Interceptor,
} from '@connectrpc/connect';
import { failSpan, type Span, type Tracing, traceParentOf } from '../tracing.ts';

const spanKey: ContextKey<Span | null> = createContextKey<Span | null>(null, {
  description: 'the span of the request',
});

/** The traceparent of the request's span. Empty: there is none. */
export function traceParentIn({ values }: { values: ContextValues }): string {
  const span = values.get(spanKey);
  return span === null ? '' : traceParentOf(span);
}

/** `onEnd` gets the method's name, its code (0: ok) and how long it took, for the metrics. */
export function createSpans(
  tracing: Tracing,
  onEnd: (method: string, code: number, seconds: number) => void = () => {},
): Interceptor {
  return (next) => async (request) => {
    const method = `${request.service.typeName}/${request.method.name}`;
    const traceParent = request.header.get('traceparent') ?? '';
    const attributes = { 'rpc.system': 'connect_rpc', 'rpc.service': request.service.typeName };
    const span = tracing.startSpan(method, { traceParent, kind: 'server', attributes });
    request.contextValues.set(spanKey, span);
    const startMs = performance.now();
    const ended = (error: unknown) => {
      const code = error === null ? 0 : ConnectError.from(error).code;
      if (error === null) span.end();
      else failSpan(span, error);
      onEnd(method, code, (performance.now() - startMs) / 1000);
    };
    try {
      const response = await next(request);
      if (!response.stream) {
        ended(null);
        return response;
      }
      const messages = response.message;
      return {
        ...response,
        message: (async function* () {
          let failure: unknown = null;
          try {
            yield* messages;
          } catch (error) {
            failure = error;
            throw error;
          } finally {
            // Also when the caller leaves in the middle.
            ended(failure);
          }
        })(),
      };
    } catch (error) {
      ended(error);
      throw error;
    }
  };
}
