import { ServiceError } from "../../domain/errors.ts";

/** Runs a call to Redis; whatever keeps it from answering is `queue_unavailable` to the caller. */
export async function ask<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw unavailable(error);
  }
}

export function unavailable(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  return new ServiceError("queue_unavailable", { cause: error, retryAfterSeconds: 1 });
}
