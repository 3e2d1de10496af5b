import { type ErrorCode, ServiceError } from "../../domain/errors.ts";
import { containerIdPattern } from "../../domain/ids.ts";
import type { Session } from "../../domain/session.ts";
import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";
import { callRedis } from "../core/unavailable.ts";
import { decodeSession } from "./record.ts";
import { sessionLookScript, sessionTouchScript } from "./scripts.ts";

export interface LookupDeps {
  redis: RedisClient;
  keys: Keys;
}

/** Finds the record or the owner of a session. */
export class SessionLookup {
  readonly #deps: LookupDeps;

  constructor(deps: LookupDeps) {
    this.#deps = deps;
  }

  /** Null when there is no record. A session whose worker is gone is `lost`. */
  async record(organization: string, id: string): Promise<(Session & { workerId: string | null }) | null> {
    if (!containerIdPattern.test(id)) return null;
    const reply = await callRedis(() => sessionLookScript.run(this.#deps.redis, this.#deps.keys.base, { organization, id }));
    return decodeSession(organization, reply);
  }

  /**
   * The owner of an active session, whose idle time restarts. Rejects with `container_not_found`, `container_expired`,
   * `container_lost`.
   */
  async owner(organization: string, id: string): Promise<string> {
    if (!containerIdPattern.test(id)) throw notActive("unknown");
    const { redis, keys } = this.#deps;
    const { status, worker } = await callRedis(() => sessionTouchScript.run(redis, keys.base, { organization, id }));
    if (status !== "active") throw notActive(status);
    return worker;
  }
}

const codes: Record<string, ErrorCode> = { expired: "container_expired", lost: "container_lost" };
const details: Record<string, string> = {
  expired: "The container was idle for too long; create another one, with `restore_from` to keep its files.",
  lost: "The container and its variables are gone; create another one, with `restore_from` to keep its files.",
  starting: "The container is not ready yet.",
};

/** The error for a request to a session that is not active. */
export function notActive(status: string): ServiceError {
  const detail = details[status];
  return new ServiceError(codes[status] ?? "container_not_found", { param: "container", ...(detail === undefined ? {} : { detail }) });
}
