import { ServiceError } from "../../domain/errors.ts";
import { redisTroubleOf } from "../../redis/trouble.ts";

/** Runs a call to Redis. A refused write becomes `queue_not_writable`, any other failure `queue_unavailable`. */
export async function callRedis<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw unavailable(error);
  }
}

export function unavailable(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  if (redisTroubleOf(error) === "refuses_writes") return new ServiceError("queue_not_writable", { cause: error });
  return new ServiceError("queue_unavailable", { cause: error, retryAfterSeconds: 1 });
}
