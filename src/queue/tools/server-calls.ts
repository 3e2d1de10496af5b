import type { ToolAnswer } from "../../domain/tools.ts";
import type { Log } from "../../observe/log.ts";
import type { RedisClient } from "../../redis/address.ts";
import { disconnect, subscriberOf } from "../../redis/connection.ts";
import { deadlineAfter } from "../../util/deadline.ts";
import { within } from "../../util/race.ts";
import { makeKeys } from "../core/keys.ts";
import { repeat } from "../worker/sweep.ts";
import { answerServerCallScript, renewServerCallsScript, sweepServerCallsScript, takeServerCallsScript } from "./scripts.ts";
import type { ServerCallEntry } from "./server-tools.ts";

/** A process that is silent for this long has lost its calls. */
const LEASE_MS = 10_000;
const RENEW_MS = 1_000;
const STOP_MS = 3_000;
const STORE_RETRY_MS = [50, 500, 2_000];

const lost: ToolAnswer = {
  outcome: "failed",
  json: JSON.stringify("the process that made the call is gone; the call may have had effects"),
};

/** The MCP servers that this process can call. */
export interface CallableServers {
  /** For each label, how many more calls it takes on. */
  room(): Array<[label: string, calls: number]>;
  /** Never rejects. */
  call(
    call: { organization: string; label: string; tool: string; name: string; args: Record<string, unknown> },
    signal: AbortSignal,
  ): Promise<ToolAnswer>;
}

export interface ServerCallsDeps {
  redis: RedisClient;
  prefix: string;
  log: Log;
  servers: CallableServers;
  /** The longest time for one answer: after it, no worker waits any more. */
  answerMsMax: number;
}

/** Makes the calls of code to MCP servers. Every api process takes some; a sweep ends the calls of one that is gone. */
export class ServerCalls {
  readonly #deps: ServerCallsDeps;
  readonly #keys;
  readonly #subscriber: RedisClient;
  readonly #running = new Map<string, { abort: AbortController; made: Promise<void> }>();
  readonly #stopRenewing: () => void;
  #taking: Promise<void> | null = null;
  #takeAgain = false;
  #stopped = false;

  constructor(deps: ServerCallsDeps) {
    this.#deps = deps;
    this.#keys = makeKeys(deps.prefix);
    this.#subscriber = subscriberOf(deps.redis, deps.log);
    this.#subscriber.on("message", () => this.#take());
    const listen = () =>
      void this.#subscriber.subscribe(this.#keys.serverCalls).then(
        () => this.#take(),
        () => undefined,
      );
    this.#subscriber.on("ready", listen);
    if (this.#subscriber.status === "ready") listen();
    this.#stopRenewing = repeat(RENEW_MS, deps.log, () => this.#renew());
  }

  /** Takes no more calls. Those that run have `graceMs` to end by themselves; then the code gets an error. */
  async stop(graceMs: number): Promise<void> {
    this.#stopped = true;
    const all = () => Promise.all([...this.#running.values()].map(({ made }) => made));
    await within(all(), graceMs);
    for (const { abort } of this.#running.values()) abort.abort(new Error("the process stops"));
    await within(all(), STOP_MS);
    this.#stopRenewing();
    disconnect(this.#subscriber);
  }

  /** Takes calls, again and again while there are messages. */
  #take(): void {
    this.#takeAgain = true;
    this.#taking ??= this.#takeAll().finally(() => {
      this.#taking = null;
    });
  }

  async #takeAll(): Promise<void> {
    const { redis, servers, log } = this.#deps;
    while (this.#takeAgain && !this.#stopped) {
      this.#takeAgain = false;
      const room = servers.room();
      if (room.length === 0) return;
      try {
        const taken = await takeServerCallsScript.run(redis, this.#keys.base, { leaseMs: LEASE_MS }, room.flat());
        for (const text of taken) this.#begin(JSON.parse(text) as ServerCallEntry);
      } catch (error) {
        log.warn({ err: error }, "calls to MCP servers could not be taken; trying again");
        return;
      }
    }
  }

  #begin(call: ServerCallEntry): void {
    const abort = new AbortController();
    const deadline = deadlineAfter(this.#deps.answerMsMax, abort.signal);
    const made = this.#make(call, deadline.signal).finally(() => {
      deadline.clear();
      this.#running.delete(call.callId);
      // There is room for another one.
      this.#take();
    });
    this.#running.set(call.callId, { abort, made });
  }

  async #make({ organization, id, callId, label, tool, name, argumentsJson }: ServerCallEntry, signal: AbortSignal): Promise<void> {
    const args = JSON.parse(argumentsJson) as Record<string, unknown>;
    const answer = await this.#deps.servers.call({ organization, label, tool, name, args }, signal);
    await this.#store({ organization, id, callId, answerJson: JSON.stringify(answer) });
  }

  /** The call is made, so its answer is worth several tries. After them, the sweep of some process ends the call. */
  async #store(answer: { organization: string; id: string; callId: string; answerJson: string }): Promise<void> {
    for (const pauseMs of [...STORE_RETRY_MS, null]) {
      try {
        return await answerServerCallScript.run(this.#deps.redis, this.#keys.base, answer);
      } catch (error) {
        if (pauseMs === null) this.#deps.log.warn({ execution: answer.id, err: error }, "the answer of an MCP server was lost");
        else await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  async #renew(): Promise<void> {
    const { redis } = this.#deps;
    const gone = await renewServerCallsScript.run(redis, this.#keys.base, { leaseMs: LEASE_MS }, [...this.#running.keys()]);
    for (const callId of gone) this.#running.get(callId)?.abort.abort(new Error("the call does not wait any more"));
    await sweepServerCallsScript.run(redis, this.#keys.base, { lostJson: JSON.stringify(lost) });
    if (this.#stopped) return;
    // Messages are lost while the subscriber reconnects.
    this.#take();
  }
}
