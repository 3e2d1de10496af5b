/** The service refused a request, failed at it, or cannot be reached. Failed code is no error but a result. */
export class CodeInterpreterError extends Error {
  override name = "CodeInterpreterError";
  /** The service's stable code, such as `invalid_field` or `queue_full`; `unreachable` when no answer came. */
  readonly code: string;
  /** HTTP status; 0 when no answer came. */
  readonly status: number;
  /** The field at fault, as a path. */
  readonly param: string | null;
  /** Seconds after which a retry may succeed. */
  readonly retryAfter: number | null;
  readonly requestId: string | null;

  constructor(message: string, of: { code: string; status: number; param?: string | null; retryAfter?: number | null; requestId?: string | null; cause?: unknown }) {
    super(message, { cause: of.cause });
    this.code = of.code;
    this.status = of.status;
    this.param = of.param ?? null;
    this.retryAfter = of.retryAfter ?? null;
    this.requestId = of.requestId ?? null;
  }
}

export async function errorOf(response: Response): Promise<CodeInterpreterError> {
  const text = await response.text().catch(() => "");
  let body: { code?: string; detail?: string; error?: { param?: string | null } } = {};
  try {
    body = JSON.parse(text) as typeof body;
  } catch {
    // Not from the service, but for example a proxy's page.
  }
  const seconds = Number(response.headers.get("retry-after"));
  return new CodeInterpreterError(body.detail ?? `The service answered ${response.status}`, {
    code: body.code ?? "unknown",
    status: response.status,
    param: body.error?.param ?? null,
    retryAfter: Number.isFinite(seconds) && seconds > 0 ? seconds : null,
    requestId: response.headers.get("x-request-id"),
  });
}
