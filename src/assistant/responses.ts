import { setTimeout as delay } from "node:timers/promises";
import { ServiceError } from "../errors.ts";
import { newId, responseIdPattern } from "../execution/ids.ts";
import type { Session } from "../execution/session.ts";
import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { StoredAssistant } from "./assistant.ts";
import { ensureCallsPaired, fileIdsIn, inputItemsOf } from "./input.ts";
import type { Item } from "./items.ts";
import type { LoopWorld } from "./loop.ts";
import type { Model } from "./model.ts";
import type { AssistantStore, ResponseStore } from "./ports.ts";
import type { ResponseRequest } from "./request.ts";
import { isEnded, type StoredResponse } from "./response.ts";
import { endEventOf, RunningResponse, withFilesOnly } from "./running.ts";
import { type ModelChoice, settingsOf } from "./settings.ts";
import { type ResponseEvent, viewOfResponse } from "./views.ts";

export interface ResponsesDeps extends Omit<LoopWorld, "model"> {
  /** Null when none is configured: then everything but new responses works. */
  model: { client: Model; choice: ModelChoice } | null;
  store: ResponseStore;
  assistants: AssistantStore;
  log: Log;
  metrics: Metrics;
}

const RENEW_MS = 3_000;
const POLL_MS = 200;
const CANCEL_WAIT_MS = 20_000;

/** Responses as the API sees them: those that run here, and those that are kept. */
export class Responses {
  readonly #deps: ResponsesDeps;
  readonly #running = new Map<string, RunningResponse>();
  readonly #heartbeat: NodeJS.Timeout;
  #isStopping = false;

  constructor(deps: ResponsesDeps) {
    this.#deps = deps;
    this.#heartbeat = setInterval(() => void this.#renew(), RENEW_MS);
    this.#heartbeat.unref();
  }

  /** Checks everything that can be known before, then starts. Rejects with ServiceError. */
  async create(organization: string, request: ResponseRequest): Promise<RunningResponse> {
    const { model, limits, store, log, metrics } = this.#deps;
    if (model === null) throw notConfigured();
    ensureOwn(organization, request);
    this.#ensureRoom(organization);
    const assistant = await this.#assistant(organization, request);
    const previous = await this.#previous(organization, request);
    const { settings, echo } = settingsOf(request, assistant, { models: model.choice, limits });
    if (echo.background && !echo.store) throw invalid("background", "needs `store` to be true");
    const containerId = settings.container ?? previous?.containerId ?? null;
    const session = await this.#session(organization, containerId, settings.container !== null);
    const field = request.dialect === "own" ? "inputs" : "input";
    const history = previous === null ? [] : compacted([...previous.history, ...previous.input, ...previous.output]);
    const input = await inputItemsOf(request.input, { ...this.#deps, organization, field });
    ensureCallsPaired([...history, ...input], field);
    ensureFits([...history, ...input], limits.responseBytesMax);
    await this.#ensureFiles(organization, settings.fileIds, assistant);
    const fileIds = [...new Set([...settings.fileIds, ...(await this.#thoseLeft(organization, fileIdsIn(history))), ...fileIdsIn(input)])];
    const createdAt = Date.now();
    const response: StoredResponse = {
      id: newId("response"),
      organization,
      dialect: request.dialect,
      status: echo.background ? "queued" : "in_progress",
      createdAt,
      completedAt: null,
      expiresAt: createdAt + limits.retentionMsMax,
      // One that lives on keeps the memory that it was made with.
      settings: { ...settings, memoryMb: session?.memoryMb ?? settings.memoryMb },
      echo,
      history,
      input,
      output: [],
      containerId,
      placedFileIds: containerId === previous?.containerId ? previous.placedFileIds : [],
      failure: null,
      incomplete: null,
      usage: { input: 0, inputCached: 0, output: 0, outputReasoning: 0 },
    };
    // While all that was looked up, others came, or the process began to stop.
    this.#ensureRoom(organization);
    if (this.#isStopping) throw new ServiceError("shutting_down");
    // It is queued for no longer than its first event takes, and nobody would store that it has begun.
    if (echo.store) await store.create({ ...response, status: "in_progress" });
    const run = { response, fileIds };
    const running = new RunningResponse({ ...this.#deps, model: model.client }, run, { store: echo.store ? store : null, log, metrics });
    this.#running.set(response.id, running);
    metrics.responsesRunning.inc();
    void running.done.finally(() => {
      this.#running.delete(response.id);
      metrics.responsesRunning.dec();
    });
    return running;
  }

  /** The response as it is now; one whose process is gone has failed. */
  async get(organization: string, id: string): Promise<StoredResponse | null> {
    if (!responseIdPattern.test(id)) return null;
    const here = this.#runningOf(organization, id);
    if (here?.response.echo.store === true) return here.response;
    const { store } = this.#deps;
    const stored = await store.get(organization, id);
    if (stored === null || isEnded(stored) || (await store.isAlive(organization, id))) return stored;
    const lost: StoredResponse = { ...stored, status: "failed", completedAt: Date.now(), failure: lostFailure };
    await store.finish(lost);
    // Another end may have come first.
    return store.get(organization, id);
  }

  /** Resolves once it has ended, wherever it runs; one that had ended stays as it is. */
  async cancel(organization: string, id: string): Promise<StoredResponse | null> {
    const here = this.#runningOf(organization, id);
    if (here !== null) {
      here.abort("cancelled");
      await here.done;
      return here.response;
    }
    let response = await this.get(organization, id);
    if (response === null || isEnded(response)) return response;
    await this.#deps.store.requestCancel(organization, id);
    for (const until = Date.now() + CANCEL_WAIT_MS; response !== null && !isEnded(response) && Date.now() < until; ) {
      await delay(POLL_MS);
      response = await this.get(organization, id);
    }
    return response;
  }

  async delete(organization: string, id: string): Promise<boolean> {
    const response = await this.get(organization, id);
    if (response === null) return false;
    if (!isEnded(response)) throw new ServiceError("response_running", { detail: "The response has not ended; cancel it first." });
    return this.#deps.store.delete(organization, id);
  }

  /** Events after a sequence number (-1 for all), from any process. Once they have expired, begin and end are left. */
  async *events(response: StoredResponse, after: number, signal: AbortSignal): AsyncGenerator<ResponseEvent> {
    const { organization, id } = response;
    const here = this.#runningOf(organization, id);
    if (here !== null) {
      yield* here.events(after, signal);
      return;
    }
    const { store } = this.#deps;
    let last = after;
    while (!signal.aborted) {
      const state = await this.get(organization, id);
      const events = await store.eventsAfter(organization, id, last);
      for (const event of events) yield event;
      last = events.at(-1)?.sequence_number ?? last;
      const lastType = events.at(-1)?.type ?? "";
      if (terminalTypes.has(lastType) || state === null) return;
      if (events.length > 0) continue;
      if (isEnded(state)) {
        yield* endOf(state, last);
        return;
      }
      await delay(POLL_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** Lets running responses end, then stops them. */
  async stop(patienceMs: number): Promise<void> {
    this.#isStopping = true;
    const running = [...this.#running.values()];
    const timer = setTimeout(() => {
      for (const one of running) one.abort("shutdown");
    }, patienceMs);
    await Promise.allSettled(running.map((one) => one.done));
    clearTimeout(timer);
    clearInterval(this.#heartbeat);
  }

  #runningOf(organization: string, id: string): RunningResponse | null {
    const found = this.#running.get(id);
    return found?.response.organization === organization ? found : null;
  }

  async #renew(): Promise<void> {
    const kept = [...this.#running.values()].map((one) => one.response).filter((response) => response.echo.store);
    if (kept.length === 0) return;
    try {
      for (const id of await this.#deps.store.renew(kept)) this.#running.get(id)?.abort("cancelled");
    } catch (error) {
      this.#deps.log.warn({ err: error }, "the leases of running responses could not be renewed");
    }
  }

  async #assistant(organization: string, { assistant_id: id }: ResponseRequest): Promise<StoredAssistant | null> {
    if (id == null) return null;
    const found = await this.#deps.assistants.get(organization, id);
    if (found === null) throw new ServiceError("assistant_not_found", { param: "assistant_id" });
    return found;
  }

  async #previous(organization: string, { previous_response_id: id }: ResponseRequest): Promise<StoredResponse | null> {
    if (id == null) return null;
    const found = await this.get(organization, id);
    const param = "previous_response_id";
    if (found === null)
      throw new ServiceError("response_not_found", { param, detail: "`previous_response_id` names no response that is kept." });
    if (!isEnded(found))
      throw new ServiceError("response_running", { param, detail: "`previous_response_id`: that response has not ended." });
    return found;
  }

  /** The session to go on in, while it lives; rejects for one that was named and does not. */
  async #session(organization: string, id: string | null, isNamed: boolean): Promise<Session | null> {
    const session = id === null ? null : await this.#deps.sessions.get(organization, id);
    if (session?.status === "active") return session;
    if (!isNamed) return null;
    const param = "tools";
    if (session?.status === "expired") throw new ServiceError("container_expired", { param });
    if (session?.status === "lost") throw new ServiceError("container_lost", { param });
    throw new ServiceError("container_not_found", { param });
  }

  async #ensureFiles(organization: string, ids: readonly string[], assistant: StoredAssistant | null): Promise<void> {
    const found = await this.#deps.files.getMany(organization, ids);
    const missing = ids[found.indexOf(null)];
    if (missing === undefined) return;
    if (assistant?.fileIds.includes(missing)) {
      const hours = this.#deps.limits.retentionMsMax / 3_600_000;
      throw invalid("assistant_id", `the assistant's file ${missing} is gone; files are kept for ${hours} hours, so give it another`);
    }
    throw invalid("file_ids", `there is no file ${missing}`);
  }

  /** Files of an earlier message may have been deleted since: the conversation goes on without them. */
  async #thoseLeft(organization: string, ids: readonly string[]): Promise<string[]> {
    const found = await this.#deps.files.getMany(organization, ids);
    return ids.filter((_, index) => found[index] !== null);
  }

  #ensureRoom(organization: string): void {
    const { responsesRunningMax, responsesPerOrganizationMax } = this.#deps.limits;
    if (this.#running.size >= responsesRunningMax) throw new ServiceError("responses_full", { retryAfterSeconds: 5 });
    const own = [...this.#running.values()].filter((one) => one.response.organization === organization).length;
    if (own < responsesPerOrganizationMax) return;
    const detail = `${responsesPerOrganizationMax} responses of your organization run in this process, which is the most.`;
    throw new ServiceError("organization_responses_full", { detail, retryAfterSeconds: 5 });
  }
}

const terminalTypes = new Set(["completed", "failed", "incomplete", "cancelled"].map((state) => `response.${state}`));
const lostFailure = { code: "process_lost", message: "The process that ran the response is gone; send the request again." } as const;

/** The end alone, when the events are gone or their writer is; a stream must begin before it can end. */
function* endOf(response: StoredResponse, last: number): Generator<ResponseEvent> {
  const view = { response: viewOfResponse(response) };
  let next = last + 1;
  if (next === 0) {
    yield { type: "response.created", sequence_number: next, response: { ...view.response, status: "in_progress", output: [] } };
    next += 1;
  }
  yield { type: `response.${endEventOf(response)}`, sequence_number: next, ...view };
}

/** Of earlier code the model was told what it printed; only its files matter still. */
function compacted(items: readonly Item[]): Item[] {
  return items.map((item) => (item.type === "code_call" ? withFilesOnly(item) : item));
}

function ensureFits(items: readonly Item[], bytesMax: number): void {
  if (Buffer.byteLength(JSON.stringify(items)) <= bytesMax) return;
  throw invalid("previous_response_id", `the conversation must have at most ${bytesMax} bytes`);
}

function ensureOwn(organization: string, { organization_id: wanted }: ResponseRequest): void {
  if (wanted == null || wanted === organization) return;
  throw new ServiceError("foreign_organization", {
    detail: "`organization_id` must be the organization of the API key.",
    param: "organization_id",
  });
}

function notConfigured(): ServiceError {
  return new ServiceError("model_not_configured", {
    detail: "The operator has to set MODEL_BASE_URL and MODEL_DEFAULT (and MODEL_API_KEY, if the model needs one).",
  });
}

function invalid(param: string, rule: string): ServiceError {
  return new ServiceError("invalid_field", { detail: `\`${param}\`: ${rule}.`, param });
}
