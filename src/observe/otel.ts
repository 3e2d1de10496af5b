import { AsyncLocalStorage } from "node:async_hooks";
import { type Context, DiagLogLevel, diag, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, ParentBasedSampler, TraceIdRatioBasedSampler, TracerProvider } from "@opentelemetry/sdk-trace";
import { within } from "../util/race.ts";
import type { Log } from "./log.ts";
import type { Span, SpanOptions, Tracing } from "./trace.ts";

const STOP_TIMEOUT_MS = 3_000;
const SEND_EVERY_MS = 1_000;

const kinds = {
  server: SpanKind.SERVER,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
};

/**
 * Sends traces over OTLP/HTTP. The exporter reads endpoint, headers, timeout and certificates from the standard
 * OTEL_EXPORTER_OTLP_ variables itself. A caller's sampling decision is kept; otherwise `share` of the traces is recorded.
 */
export function startTracing({ process, share, log }: { process: string; share: number; log: Log }): Tracing {
  // The SDK reports unavailable collectors only here. Its messages contain addresses and statuses, but no spans.
  const warn = (message: string) => log.warn({ error: messageOf(message) }, "traces could not be sent");
  diag.setLogger({ error: warn, warn, info: () => {}, debug: () => {}, verbose: () => {} }, DiagLogLevel.WARN);
  const name = resourceFromAttributes({ "service.name": "code-interpreter", "service.namespace": `code-interpreter-${process}` });
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(name)
      .merge(detectResources({ detectors: [envDetector] })),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(share) }),
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter(), scheduledDelayMillis: SEND_EVERY_MS })],
  });
  const tracer = provider.getTracer("code-interpreter");
  const active = new AsyncLocalStorage<string>();
  return {
    startSpan: (spanName, options) => spanOf(tracer.startSpan(spanName, optionsOf(options), contextOf(options.parent))),
    within: (span, work) => (span === null ? work() : active.run(span.traceparent, work)),
    current: () => active.getStore() ?? null,
    stop: () => stopWithin(STOP_TIMEOUT_MS, provider, log),
  };
}

/** Does not wait for a collector that is away. Spans that are still unsent are lost. */
async function stopWithin(ms: number, provider: TracerProvider, log: Log): Promise<void> {
  const sent = provider.shutdown().catch((error: unknown) => log.warn({ err: error }, "the last traces were not sent"));
  await within(sent, ms);
}

/** Extracts the message from the SDK's error, which is JSON with a stack. */
function messageOf(text: string): string {
  return (/"message":"([^"]*)"/.exec(text)?.[1] ?? text).slice(0, 300);
}

function optionsOf({ kind = "internal", attributes = {}, startedAt }: SpanOptions) {
  return { kind: kinds[kind], attributes, ...(startedAt === undefined ? {} : { startTime: startedAt }) };
}

const propagator = new W3CTraceContextPropagator();

/** An invalid traceparent gives the root context, as the standard requires. */
function contextOf(traceparent: string | null): Context {
  if (traceparent === null) return ROOT_CONTEXT;
  return propagator.extract(
    ROOT_CONTEXT,
    { traceparent },
    { get: (carrier, key) => (carrier as Record<string, string>)[key], keys: Object.keys },
  );
}

function spanOf(span: ReturnType<ReturnType<TracerProvider["getTracer"]>["startSpan"]>): Span {
  const { traceId } = span.spanContext();
  const carrier: Record<string, string> = {};
  propagator.inject(trace.setSpan(ROOT_CONTEXT, span), carrier, {
    set: (to, key, value) => {
      (to as Record<string, string>)[key] = value;
    },
  });
  return {
    traceId,
    traceparent: carrier.traceparent ?? "",
    rename: (name) => void span.updateName(name),
    set: (attributes) => void span.setAttributes(attributes),
    end: ({ failed = false, endedAt } = {}) => {
      if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end(endedAt);
    },
  };
}
