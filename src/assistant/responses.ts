import { setTimeout as delay } from "node:timers/promises";
import type { ToolServers } from "../app/ports.ts";
import { ServiceError } from "../domain/errors.ts";
import { responseIdPattern } from "../domain/ids.ts";
import { namesForModels } from "../domain/packages.ts";
import type { Log } from "../observe/log.ts";
import type { Metrics } from "../observe/metrics.ts";
import type { LoopContext } from "./loop/loop.ts";
import { prepareResponse } from "./loop/prepare-response.ts";
import { withoutPrograms } from "./loop/programs.ts";
import { endEventOf, RunningResponse } from "./loop/running.ts";
import { estimateTokens } from "./model/estimate-tokens.ts";
import { messagesOf } from "./model/messages.ts";
import type { Model } from "./model/model.ts";
import { codeTool } from "./model/prompt.ts";
import type { AssistantStore, ConversationStore, ResponseStore } from "./ports.ts";
import type { ResponseRequest } from "./views/request.ts";
import { isEnded, type StoredResponse } from "./views/response.ts";
import type { ModelChoice } from "./views/settings.ts";
import { type ResponseEvent, viewOfResponse } from "./views/views.ts";

export interface ResponsesDeps extends Omit<LoopContext, "model"> {
  toolServers: ToolServers;
  /** Null when none is configured. Then only new responses are refused. */
  model: { client: Model; choice: ModelChoice } | null;
  store: ResponseStore;
  assistants: AssistantStore;
  conversations: ConversationStore;
  log: Log;
  metrics: Metrics;
}

const RENEW_MS = 3_000;
/** One small Redis command for all responses that run in this process. */
const CANCEL_CHECK_MS = 250;
const POLL_MS = 200;
const CANCEL_WAIT_MS = 20_000;

/** The responses that run in this process, and the stored ones of all processes. */
export class Responses {
  readonly #deps: ResponsesDeps;
  readonly #running = new Map<string, RunningResponse>();
  readonly #timers: NodeJS.Timeout[];
  #isStopping = false;

  constructor(deps: ResponsesDeps) {
    this.#deps = deps;
    this.#timers = [setInterval(() => void this.#renew(), RENEW_MS), setInterval(() => void this.#applyCancelRequests(), CANCEL_CHECK_MS)];
    for (const timer of this.#timers) timer.unref();
  }

  /** Validates the request as far as possible, then starts the response. Rejects with ServiceError. */
  async create(organization: string, request: ResponseRequest): Promise<RunningResponse> {
    const { model, store, log, metrics } = this.#deps;
    if (model === null) throw notConfigured();
    this.#ensureRoom(organization);
    const run = await this.#prepare(organization, request, model.choice);
    const { response } = run;
    // Meanwhile, other responses may have started, or the shutdown may have begun.
    this.#ensureRoom(organization);
    if (this.#isStopping) throw new ServiceError("shutting_down");
    // Stored as in_progress: it is queued only until its first event, and no later write would change that status.
    const isStored = response.echo.store;
    if (isStored) await store.create({ ...response, status: "in_progress" });
    const running = new RunningResponse({ ...this.#deps, model: model.client }, run, {
      store: isStored ? store : null,
      conversations: this.#deps.conversations,
      log,
      metrics,
    });
    this.#running.set(response.id, running);
    metrics.responsesRunning.inc();
    void running.done.finally(() => {
      this.#running.delete(response.id);
      metrics.responsesRunning.dec();
    });
    return running;
  }

  /** About how many tokens the model would count for the conversation of a request. Rejects with ServiceError. */
  async estimateTokens(organization: string, request: ResponseRequest): Promise<number> {
    const { model, limits, packages } = this.#deps;
    if (model === null) throw notConfigured();
    const { response } = await this.#prepare(organization, request, model.choice);
    const { settings, history, input } = response;
    const tool = () => codeTool(limits, settings.memoryMb ?? limits.memoryMbMax, namesForModels(packages.latest), settings);
    const tools = settings.mode === "off" ? settings.functions : [tool(), ...settings.functions];
    return estimateTokens(messagesOf(withoutPrograms([...history, ...input]), settings), tools);
  }

  #prepare(organization: string, request: ResponseRequest, models: ModelChoice) {
    const stored = {
      get: (id: string) => this.get(organization, id),
      findItems: (ids: readonly string[]) => this.#deps.store.findItems(organization, ids),
    };
    return prepareResponse({ ...this.#deps, models }, stored, organization, request);
  }

  /** The current state. A response whose process is gone has failed. */
  async get(organization: string, id: string): Promise<StoredResponse | null> {
    if (!responseIdPattern.test(id)) return null;
    const here = this.#runningOf(organization, id);
    if (here?.response.echo.store === true) return here.response;
    const { store } = this.#deps;
    const stored = await store.get(organization, id);
    if (stored === null || isEnded(stored) || (await store.isAlive(organization, id))) return stored;
    const lost: StoredResponse = { ...stored, status: "failed", completedAt: Date.now(), failure: lostFailure };
    await store.finish(lost);
    // Another process may have stored an end first.
    return store.get(organization, id);
  }

  /** Resolves once the response has ended, in any process. An ended response stays unchanged. */
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

  /** Events after a sequence number (-1 for all), from any process. Once they have expired, only the first and last remain. */
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

  /** Drains: waits up to `drainMs` for running responses, then aborts them. */
  async stop(drainMs: number): Promise<void> {
    this.#isStopping = true;
    const running = [...this.#running.values()];
    const timer = setTimeout(() => {
      for (const one of running) one.abort("shutdown");
    }, drainMs);
    await Promise.allSettled(running.map((one) => one.done));
    clearTimeout(timer);
    for (const one of this.#timers) clearInterval(one);
  }

  #runningOf(organization: string, id: string): RunningResponse | null {
    const found = this.#running.get(id);
    return found?.response.organization === organization ? found : null;
  }

  /** Running responses that are also stored, so that other processes can see them. */
  #storedRunning(): StoredResponse[] {
    return [...this.#running.values()].map((one) => one.response).filter((response) => response.echo.store);
  }

  async #renew(): Promise<void> {
    const stored = this.#storedRunning();
    if (stored.length === 0) return;
    await this.#deps.store.renew(stored).catch((error: unknown) => {
      this.#deps.log.warn({ err: error }, "the leases of running responses could not be renewed");
    });
  }

  async #applyCancelRequests(): Promise<void> {
    const stored = this.#storedRunning();
    if (stored.length === 0) return;
    // `#renew` logs when Redis is away, less often.
    for (const id of await this.#deps.store.wantedCancelled(stored).catch(() => [])) this.#running.get(id)?.abort("cancelled");
  }

  #ensureRoom(organization: string): void {
    const { responsesRunningMax, responsesPerOrganizationMax } = this.#deps.limits;
    if (this.#running.size >= responsesRunningMax) throw new ServiceError("responses_full", { retryAfterSeconds: 5 });
    const own = [...this.#running.values()].filter((one) => one.response.organization === organization).length;
    if (own < responsesPerOrganizationMax) return;
    const detail = `${responsesPerOrganizationMax} responses of your organization already run in this process, which is the maximum.`;
    throw new ServiceError("organization_responses_full", { detail, retryAfterSeconds: 5 });
  }
}

const terminalTypes = new Set(["completed", "failed", "incomplete", "cancelled"].map((state) => `response.${state}`));
const lostFailure = { code: "process_lost", message: "The process that ran the response is gone; send the request again." } as const;

/** The end of a response whose events have expired or whose process is gone. Adds `response.created` if none was sent. */
function* endOf(response: StoredResponse, last: number): Generator<ResponseEvent> {
  const view = { response: viewOfResponse(response) };
  let next = last + 1;
  if (next === 0) {
    yield { type: "response.created", sequence_number: next, response: { ...view.response, status: "in_progress", output: [] } };
    next += 1;
  }
  yield { type: `response.${endEventOf(response)}`, sequence_number: next, ...view };
}

function notConfigured(): ServiceError {
  return new ServiceError("model_not_configured", {
    detail: "The operator must set MODEL_BASE_URL and MODEL_DEFAULT (and MODEL_API_KEY, if the model needs one).",
  });
}
