export interface LoggedError {
  name: string;
  message: string;
  code?: string;
  stack: string;
  cause?: LoggedError;
}

const CAUSES_MAX = 4;

/**
 * An error in the form that may be logged: name, message, code, stack and causes. All other properties are dropped: a Redis
 * error, for example, carries the arguments of its command, which can be a caller's code.
 */
export function safeError(thrown: unknown, causesMax = CAUSES_MAX): LoggedError {
  if (!(thrown instanceof Error)) return { name: typeof thrown, message: "a value that is not an Error was thrown", stack: "" };
  const { name, cause } = thrown;
  const code = (thrown as { code?: unknown }).code;
  // JSON.parse quotes the text that it could not parse.
  const message = thrown instanceof SyntaxError ? "(left out)" : thrown.message;
  return {
    name,
    message,
    ...(typeof code === "string" ? { code } : {}),
    stack: framesOf(thrown.stack ?? ""),
    ...(cause === undefined || causesMax === 0 ? {} : { cause: safeError(cause, causesMax - 1) }),
  };
}

/** The stack without the message at its beginning. */
function framesOf(stack: string): string {
  return stack
    .split("\n")
    .filter((line) => /^ {4}at /.test(line))
    .join("\n");
}
