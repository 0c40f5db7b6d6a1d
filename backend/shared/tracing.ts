/**
 * Traces that follow one update from an operator's click to the device and back. A trace is passed on explicitly, as the
 * traceparent of W3C Trace Context that messages, orders and assignments carry; nothing hooks into the runtime.
 */
import {
  type Attributes,
  type Context,
  isSpanContextValid,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, type SpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';

export type { Span } from '@opentelemetry/api';

export type SpanOptions = {
  /** A traceparent that it goes on from. Empty or absent: it begins a trace. */
  traceParent?: string;
  kind?: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  attributes?: Attributes;
  /** Traceparents of other traces that it also belongs to, such as those of the messages of a batch. */
  links?: readonly string[];
};

export type Tracing = {
  startSpan(name: string, options?: SpanOptions): Span;
  /** Sends what is left, and ends. */
  stop(): Promise<void>;
};

export type TracingOptions = {
  service: string;
  /** An OTLP/HTTP collector, such as `http://localhost:4318`. Absent: spans have ids, so that traces pass through, and go nowhere. */
  endpoint?: string;
  /** Instead of the exporter to `endpoint`; for tests. */
  processors?: readonly SpanProcessor[];
};

const kinds = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const;

const maxLinks = 128;
const pattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Reads a traceparent of version 00 (W3C Trace Context, section 3.2). Undefined: it is none, or names nothing. */
export function readTraceParent(text: string): SpanContext | undefined {
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const [, traceId = '', spanId = '', flags = ''] = match;
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED;
  const context: SpanContext = { traceId, spanId, traceFlags, isRemote: true };
  return isSpanContextValid(context) ? context : undefined;
}

/** The traceparent by which others go on from this span. Empty: there is no trace. */
export function traceParentOf(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  if (!isSpanContextValid(span.spanContext())) return '';
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

/** Ends a span as failed. */
export function failSpan(span: Span, error: unknown): void {
  const message = error instanceof Error ? error.name : 'failed';
  span.setStatus({ code: SpanStatusCode.ERROR, message });
  span.end();
}

/** The address for traces below a collector's (OpenTelemetry, OTLP exporter: /v1/traces is appended). */
function exporterTo(endpoint: string): SpanProcessor {
  const url = `${endpoint.replace(/\/$/, '')}/v1/traces`;
  return new BatchSpanProcessor({ exporter: new OTLPTraceExporter({ url }) });
}

export function createTracing(options: TracingOptions): Tracing {
  const { service, endpoint } = options;
  const processors = options.processors ?? (endpoint === undefined ? [] : [exporterTo(endpoint)]);
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': service, 'service.namespace': 'iotdh' }),
    spanProcessors: [...processors],
  });
  const tracer = provider.getTracer(service);
  return {
    startSpan(name, { traceParent = '', kind = 'internal', attributes = {}, links = [] } = {}) {
      const parent = readTraceParent(traceParent);
      const context: Context =
        parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
      const others = links
        .slice(0, maxLinks)
        .map(readTraceParent)
        .filter((other) => other !== undefined)
        .map((other): Link => ({ context: other }));
      return tracer.startSpan(name, { kind: kinds[kind], attributes, links: others }, context);
    },
    stop: () => provider.shutdown(),
  };
}
