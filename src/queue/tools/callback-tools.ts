import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { z } from "zod";
import type { Limits } from "../../domain/limits.ts";
import type { ToolAnswer, ToolCall } from "../../domain/tools.ts";
import { countJsonValues } from "../../util/json-shape.ts";
import { isRefused, postSigned, type Received } from "../webhooks/signed-post.ts";

export interface CallbackToolsDeps {
  executionId: string;
  url: string;
  secret: string;
  allowPrivate: boolean;
  limits: Limits;
  /** Called before the first call is posted. */
  markCalled(): Promise<void>;
}

/** The body of an answer: `{"output": …}` with any JSON value, or `{"error": "…"}`. */
const answerBody = z.union([z.strictObject({ error: z.string() }), z.strictObject({ output: z.unknown() })]);

/** Calls that the service posts to the caller's server, signed as webhooks are. Never repeated: a call may have effects. */
export class CallbackTools {
  readonly #deps: CallbackToolsDeps;
  /** Connections are kept for the calls of one execution. Each was made to a checked address. */
  readonly #agent: HttpAgent;
  #marked: Promise<void> | null = null;

  constructor(deps: CallbackToolsDeps) {
    this.#deps = deps;
    const options = { keepAlive: true, maxSockets: deps.limits.toolCallsOpenMax };
    this.#agent = new URL(deps.url).protocol === "https:" ? new HttpsAgent(options) : new HttpAgent(options);
  }

  async call(call: ToolCall, signal: AbortSignal): Promise<ToolAnswer> {
    const { executionId, url, secret, allowPrivate, limits } = this.#deps;
    const { callId: id, name } = call;
    // The arguments are JSON text already.
    const head = JSON.stringify({ type: "tool_call", execution_id: executionId, call_id: id, name });
    const body = `${head.slice(0, -1)},"arguments":${call.argumentsJson}}`;
    try {
      this.#marked ??= this.#deps.markCalled();
      await this.#marked;
      const received = await postSigned({
        ...{ url, secret, id, body, allowPrivate, signal, agent: this.#agent, nowMs: Date.now() },
        userAgent: "code-interpreter-tools/1",
        // The envelope of the answer comes on top.
        responseBytesMax: limits.toolValueBytesMax + 64,
      });
      return answerOf(name, received, limits);
    } catch (error) {
      if (signal.aborted) return { outcome: "timeout", json: "" };
      return failed(name, isRefused(error) ? "its address is not public" : "its server could not be reached");
    }
  }

  /** A call that was posted may have had effects, answered or not. */
  mayHaveEffects(): boolean {
    return this.#marked !== null;
  }

  close(): void {
    this.#agent.destroy();
  }
}

function answerOf(name: string, { status, body }: Received, limits: Limits): ToolAnswer {
  if (status < 200 || status > 299) return failed(name, `its server answered ${status}`);
  if (body === null) return failed(name, `its answer is not whole, or has more than ${limits.toolValueBytesMax} bytes`);
  const { toolValueValuesMax: valuesMax, requestBodyDepthMax: depthMax } = limits;
  if (countJsonValues(body, { valuesMax, depthMax }) === null) {
    return failed(name, `its answer has more than ${valuesMax} JSON values or ${depthMax} levels`);
  }
  const parsed = answerBody.safeParse(jsonOrNull(body));
  if (!parsed.success) return failed(name, 'its answer is not {"output": …} or {"error": "…"}');
  if ("error" in parsed.data) return { outcome: "error", json: JSON.stringify(parsed.data.error) };
  return { outcome: "output", json: JSON.stringify(parsed.data.output ?? null) };
}

function failed(name: string, why: string): ToolAnswer {
  return { outcome: "failed", json: JSON.stringify(`${name}(): ${why}`) };
}

function jsonOrNull(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return null;
  }
}
