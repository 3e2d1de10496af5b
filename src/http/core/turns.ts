import type { RequestHandler, Response } from "express";
import { ServiceError } from "../../domain/errors.ts";
import type { Limits } from "../../domain/limits.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { Turns } from "../../util/turns.ts";
import { callerOf } from "./auth.ts";
import { callerGone } from "./caller-gone.ts";

/**
 * The requests that each organization has in flight in this process. A request works in one of the few turns of its
 * organization, and the others wait in the organization's own line. A request that waits for something else (the end of
 * an execution, a slow connection) gives its turn up and is *open*. Both the line and the open requests are bounded.
 */
export interface RequestTurns {
  /** For requests that are done at once. */
  brief: RequestHandler;
  /** For requests that may step aside: refused at once when the organization has too many open requests. */
  open: RequestHandler;
}

type Deps = { limits: Limits; metrics: Metrics };

export function makeRequestTurns(deps: Deps): RequestTurns {
  const turns = new Turns(deps.limits.requestTurnsPerOrganizationMax);
  const blocking = new Turns(1);
  const opened = new OpenRequests(deps);
  const handler = (opensAtOnce: boolean): RequestHandler => {
    return async (_request, response, next) => {
      const { organization } = callerOf(response);
      const max = deps.limits.requestsInLinePerOrganizationMax;
      if (turns.waiting(organization) >= max) {
        throw refused(
          deps,
          `Your organization has ${max} requests waiting for their turn, which is the maximum. Retry, with fewer at once.`,
        );
      }
      const place = new Place(opened, blocking, organization);
      if (opensAtOnce) place.open();
      response.locals.place = place;
      response.once("close", () => place.leave());
      const gone = callerGone(response);
      const release = await turns.take(organization, gone).catch((error: unknown) => {
        if (!gone.aborted) throw error;
      });
      if (release === undefined) return;
      place.release = release;
      if (response.closed || response.destroyed) place.leave();
      next();
    };
  };
  return { brief: handler(false), open: handler(true) };
}

/**
 * Gives up the turn of a request that from now on mostly waits. Throws `organization_requests_full` for a request of
 * which this was not expected (`brief`) when there are too many open ones.
 */
export function stepAside(response: Response): void {
  const place = response.locals.place as Place;
  place.open();
  place.release();
}

/**
 * Runs work that blocks the event loop for longer than usual. An organization has one such at a time, and takes half of
 * the loop's time with it at most.
 */
export function runBlocking<T>(response: Response, work: () => T | Promise<T>): Promise<T> {
  return (response.locals.place as Place).runBlocking(work);
}

/** One request's turn, and whether it is open. */
class Place {
  readonly #opened: OpenRequests;
  readonly #blocking: Turns;
  readonly #organization: string;
  #isOpen = false;
  /** Ends the turn, once there is one. */
  release = () => {};

  constructor(opened: OpenRequests, blocking: Turns, organization: string) {
    this.#opened = opened;
    this.#blocking = blocking;
    this.#organization = organization;
  }

  runBlocking<T>(work: () => T | Promise<T>): Promise<T> {
    return this.#blocking.runBlocking(this.#organization, work);
  }

  open(): void {
    if (!this.#isOpen) this.#opened.add(this.#organization);
    this.#isOpen = true;
  }

  leave(): void {
    this.release();
    if (this.#isOpen) this.#opened.remove(this.#organization);
    this.#isOpen = false;
  }
}

/** Open requests by organization. */
class OpenRequests {
  readonly #deps: Deps;
  readonly #counts = new Map<string, number>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  add(organization: string): void {
    const count = this.#counts.get(organization) ?? 0;
    const max = this.#deps.limits.requestsOpenPerOrganizationMax;
    if (count >= max) {
      throw refused(
        this.#deps,
        `Your organization has ${max} open requests, which wait for executions or are streamed. This is the maximum; end some, or retry.`,
      );
    }
    this.#counts.set(organization, count + 1);
  }

  remove(organization: string): void {
    const left = (this.#counts.get(organization) ?? 1) - 1;
    if (left === 0) this.#counts.delete(organization);
    else this.#counts.set(organization, left);
  }
}

function refused({ metrics }: Deps, detail: string): ServiceError {
  metrics.admissionsRefused.inc({ code: "organization_requests_full" });
  return new ServiceError("organization_requests_full", { detail });
}
