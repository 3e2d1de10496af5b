export interface LoggedError {
  name: string;
  message: string;
  code?: string;
  stack: string;
  cause?: LoggedError;
}

const CAUSES_MAX = 4;

/**
 * An error as it may stand in a log: name, message, code, stack and causes. Whatever else hangs on it is left out:
 * a Redis error, for one, carries the arguments of its command, and those can be a caller's code.
 */
export function safeError(thrown: unknown, causesMax = CAUSES_MAX): LoggedError {
  if (!(thrown instanceof Error)) return { name: typeof thrown, message: "something that is no Error was thrown", stack: "" };
  const { name, cause } = thrown;
  const code = (thrown as { code?: unknown }).code;
  // JSON.parse quotes the text that it could not read.
  const message = thrown instanceof SyntaxError ? "(left out)" : thrown.message;
  return {
    name,
    message,
    ...(typeof code === "string" ? { code } : {}),
    stack: framesOf(thrown.stack ?? ""),
    ...(cause === undefined || causesMax === 0 ? {} : { cause: safeError(cause, causesMax - 1) }),
  };
}

/** The lines below the message, which a stack begins with. */
function framesOf(stack: string): string {
  return stack
    .split("\n")
    .filter((line) => /^ {4}at /.test(line))
    .join("\n");
}
