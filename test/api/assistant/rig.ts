import { expect } from "vitest";
import { newId } from "../../../src/domain/ids.ts";
import type { LimitName } from "../../../src/domain/limits.ts";
import type { Output } from "../../../src/domain/outputs.ts";
import type { ExecutionEnd } from "../../../src/domain/result.ts";
import { makeAssistant } from "../../../src/main/assistant-part.ts";
import { call, eventsOf } from "../../support/checks/call.ts";
import type { FakeExecutions } from "../../support/fakes/fake-executions.ts";
import { FakeSessions } from "../../support/fakes/fake-sessions.ts";
import { startRedis, type TestRedis } from "../../support/redis/redis.ts";
import { type Api, startApi } from "../../support/servers/api.ts";
import { type ModelServer, startModelServer } from "../../support/servers/model-server.ts";

export const MODEL_KEY = "sk-the-key-of-the-model";

/** The result of a block of code: its outputs and its end; null leaves it running. */
export type Ran =
  | { outputs?: Output[]; end?: Partial<ExecutionEnd> }
  /** The code calls functions of its caller, and goes on with their answers, as JSON texts. */
  | { calls: Array<{ name: string; arguments: Record<string, unknown> }>; afterAnswers(answers: string[]): Ran }
  | null;

export interface Rig {
  redis: TestRedis;
  model: ModelServer;
  api: Api;
  sessions: FakeSessions;
  key: string;
  foreignKey: string;
  /** Code that ran, in order. */
  ran: string[];
  /** Results by code; by default, code prints its own text after `#`. */
  onCode(code: string): Ran;
  /** Another api process on the same Redis. */
  second(): Promise<Api>;
  stop(): Promise<void>;
}

export interface RigOptions {
  limits?: Partial<Record<LimitName, number>>;
  seesImages?: boolean;
  withoutModel?: boolean;
}

/** The API with real Redis and files, a scripted model over HTTP, and executions and sessions in memory. */
export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const redis = await startRedis();
  const model = await startModelServer();
  const sessions = new FakeSessions();
  const apis: Api[] = [];
  const prefix = "assistant-test";
  const start = async () => {
    const api = await startApi({
      redisUrl: redis.url,
      limits: options.limits ?? {},
      deps: (deps, connection) => ({
        keys: apis[0]?.deps.keys ?? deps.keys,
        assistant: makeAssistant({
          config: {
            REDIS_PREFIX: prefix,
            MODEL_BASE_URL: options.withoutModel === true ? undefined : model.baseUrl,
            MODEL_API_KEY: MODEL_KEY,
            MODEL_DEFAULT: "scripted",
            MODEL_ALLOWED: ["other"],
            MODEL_SEES_IMAGES: options.seesImages ?? false,
            MODEL_TOKENS_FIELD: "max_tokens",
            limits: deps.limits,
          },
          limitsOf: deps.limitsOf,
          redis: connection,
          executions: deps.executions,
          sessions,
          files: deps.files,
          packages: deps.packages,
          toolServers: deps.toolServers,
          log: deps.log,
          metrics: deps.metrics,
        }),
      }),
    });
    api.executions.hasContainer = (id) => sessions.kept.get(id)?.session.status === "active";
    api.executions.onSubmit = (id) => runFake(api.executions, id, rig);
    apis.push(api);
    return api;
  };
  const rig: Omit<Rig, "api" | "key" | "foreignKey"> = {
    redis,
    model,
    sessions,
    ran: [],
    onCode: (code) => ({ outputs: [{ type: "text", stream: "stdout", text: code.split("#")[1]?.trim() ?? "" }] }),
    second: start,
    async stop() {
      for (const api of apis) await api.close();
      await model.stop();
      await redis.stop();
    },
  };
  const api = await start();
  return Object.assign(rig, { api, key: await api.newKey("org_a"), foreignKey: await api.newKey("org_b") });
}

function runFake(executions: FakeExecutions, id: string, rig: Pick<Rig, "ran" | "onCode">): void {
  const code = executions.stored.get(id)?.submission.request.code ?? "";
  rig.ran.push(code);
  // After `submit` has resolved, as in a real queue.
  setImmediate(() => {
    executions.start(id);
    goOn(executions, id, rig.onCode(code));
  });
}

function goOn(executions: FakeExecutions, id: string, result: Ran): void {
  if (result === null) return;
  if ("calls" in result) {
    const calls = result.calls.map((one) => ({ call_id: newId("toolCall"), ...one }));
    executions.pend(id, calls, (answers) => goOn(executions, id, result.afterAnswers(answers.map(({ json }) => json))));
    return;
  }
  for (const output of result.outputs ?? []) executions.output(id, output);
  executions.end(id, result.end);
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
export type Body = any;

export const TOOL = { type: "code_interpreter" } as const;

/** POST /v1/responses; validates the HTTP response against the API document. */
export async function respond(rig: Rig, body: object, key = rig.key): Promise<{ status: number; headers: Headers; body: Body }> {
  return call(rig.api.url, "POST /v1/responses", { key, body, as: "/v1/responses" });
}

/** The events of a streamed response. */
export async function streamOf(rig: Rig, body: object): Promise<Body[]> {
  const answer = await respond(rig, { ...body, stream: true });
  expect(answer.status).toBe(200);
  return eventsOf(answer.body).map((event) => event.data);
}

/** Names of events, without adjacent duplicates. */
export function names(events: readonly Body[]): string[] {
  return events.map((event) => event.type.replace(/^response\./, "")).filter((name, index, all) => name !== all[index - 1]);
}

export const text = (value: string) => ({ type: "text", stream: "stdout", text: value }) as const;
