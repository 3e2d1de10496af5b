import { ServiceError } from "../../domain/errors.ts";

/** Runs a call to Redis. Any failure becomes `queue_unavailable`. */
export async function callRedis<T>(call: () => Promise<T>): Promise<T> {
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
