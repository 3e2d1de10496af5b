import { type ErrorCode, ServiceError } from "../../domain/errors.ts";
import { containerIdPattern } from "../../domain/ids.ts";
import type { Session } from "../../domain/session.ts";
import type { RedisClient } from "../../redis/address.ts";
import type { Keys } from "../core/keys.ts";
import { ask } from "../core/unavailable.ts";
import { decodeSession } from "./record.ts";
import { sessionLookScript, sessionTouchScript } from "./scripts.ts";

export interface LookupDeps {
  redis: RedisClient;
  keys: Keys;
}

/** Finds the record of a session, or the worker that has it. */
export class SessionLookup {
  readonly #deps: LookupDeps;

  constructor(deps: LookupDeps) {
    this.#deps = deps;
  }

  /** Null for one that never was or has been forgotten; one whose worker is gone is `lost`. */
  async record(organization: string, id: string): Promise<(Session & { workerId: string | null }) | null> {
    if (!containerIdPattern.test(id)) return null;
    const reply = await ask(() => sessionLookScript.run(this.#deps.redis, this.#deps.keys.base, [organization, id]));
    return decodeSession(organization, reply);
  }

  /**
   * The worker of an active session, whose idle time begins anew. Rejects with `container_not_found`, `container_expired`,
   * `container_lost`.
   */
  async owner(organization: string, id: string): Promise<string> {
    if (!containerIdPattern.test(id)) throw notActive("unknown");
    const reply = (await ask(() => sessionTouchScript.run(this.#deps.redis, this.#deps.keys.base, [organization, id]))) as unknown[];
    const status = String(reply[0]);
    if (status !== "active") throw notActive(status);
    return String(reply[1]);
  }
}

const codes: Record<string, ErrorCode> = { expired: "container_expired", lost: "container_lost" };
const details: Record<string, string> = {
  expired: "The container was idle for too long; make another one, with `restore_from` if its files are wanted.",
  lost: "The container and its variables are gone; make another one, with `restore_from` if its files are wanted.",
  starting: "The container is not ready yet.",
};

/** Why a session of that status takes nothing. */
export function notActive(status: string): ServiceError {
  const detail = details[status];
  return new ServiceError(codes[status] ?? "container_not_found", { param: "container", ...(detail === undefined ? {} : { detail }) });
}
