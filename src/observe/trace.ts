/**
 * Traces. Off unless a collector is configured; only then is the OpenTelemetry SDK loaded (otel.ts). Spans carry ids, statuses
 * and times, and never code, outputs or file names. Created once and passed down; a null span means no tracing.
 */
export interface Tracing {
  /** Starts a span, which the caller ends. Without a valid parent it begins a new trace. */
  startSpan(name: string, options: SpanOptions): Span | null;
  /** Runs `work` with the span as `current` in everything that it calls and awaits. */
  within<T>(span: Span | null, work: () => T): T;
  /** W3C traceparent of the current span. */
  current(): string | null;
  /** Sends pending spans, within a bounded time. */
  stop(): Promise<void>;
}

export interface SpanOptions {
  kind?: "server" | "producer" | "consumer" | "internal";
  /** W3C traceparent. */
  parent: string | null;
  attributes?: SpanAttributes;
  /** Unix milliseconds; now when absent. */
  startedAt?: number | undefined;
}

export interface Span {
  /** 32 hex digits. */
  readonly traceId: string;
  readonly traceparent: string;
  rename(name: string): void;
  set(attributes: SpanAttributes): void;
  /** Unix milliseconds; now when absent. */
  end(options?: { failed?: boolean; endedAt?: number | undefined }): void;
}

/** All span attributes; a closed list, so that no caller's data gets in. */
export type SpanAttributes = Partial<
  Record<
    | "http.request.method"
    | "http.route"
    | "http.response.status_code"
    | "code_interpreter.execution"
    | "code_interpreter.organization"
    | "code_interpreter.attempt"
    | "code_interpreter.status"
    | "code_interpreter.cause"
    | "code_interpreter.engine"
    | "code_interpreter.warm",
    string | number | boolean
  >
>;

export const noTracing: Tracing = {
  startSpan: () => null,
  within: (_span, work) => work(),
  current: () => null,
  stop: async () => undefined,
};

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The trace that a traceparent belongs to; null for anything else. */
export function traceIdOf(traceparent: string | null): string | null {
  return (traceparent === null ? null : TRACEPARENT.exec(traceparent)?.[1]) ?? null;
}
