import type { AnswerExecution, RunExecution } from "../../app/run-execution.ts";
import { ServiceError } from "../../domain/errors.ts";
import type { Limits } from "../../domain/limits.ts";
import type { Execution } from "../../domain/result.ts";
import type { ChatMessage, ChatPart } from "../model/model.ts";
import { codeTooLong, notes } from "../model/prompt.ts";
import { isSessionGone, toolText } from "../model/tool-text.ts";
import type { Files, Sessions } from "../ports.ts";
import { filesAmong } from "../views/citations.ts";
import type { FailureCode } from "../views/failure.ts";
import { dataUrlOf } from "../views/input.ts";
import type { CodeCall, Item } from "../views/items.ts";
import type { StoredResponse } from "../views/response.ts";
import type { OutputWriter } from "./output-writer.ts";
import type { WaitingProgram } from "./programs.ts";
import { runCode } from "./run-code.ts";
import { isSessionMissing, SessionUse } from "./session-use.ts";
import type { WrittenCode } from "./turn.ts";

export interface CodeRunContext {
  runExecution: RunExecution;
  answerExecution: AnswerExecution;
  sessions: Sessions;
  files: Files;
  limits: Limits;
  seesImages: boolean;
}

export interface ResponseRun {
  response: StoredResponse;
  writer: OutputWriter;
  fileIds: readonly string[];
  signal: AbortSignal;
}

/** The response cannot be completed. The message is for the caller. */
export class ResponseFailed extends Error {
  override name = "ResponseFailed";
  readonly code: FailureCode;

  constructor(code: FailureCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** Runs the code of one response in its session, and formats the outputs for the model and for the caller. */
export class CodeRuns {
  readonly #context: CodeRunContext;
  readonly #response: StoredResponse;
  readonly #writer: OutputWriter;
  readonly #signal: AbortSignal;
  readonly #session: SessionUse;
  /** Files that code of this conversation produced, by name, for citations. */
  readonly produced = new Map<string, { containerId: string; fileId: string }>();
  #calls = 0;
  #waits = false;
  #hasRun = false;

  constructor(context: CodeRunContext, { response, writer, fileIds, signal }: ResponseRun, conversation: readonly Item[]) {
    this.#context = context;
    this.#response = response;
    this.#writer = writer;
    this.#signal = signal;
    for (const item of conversation) if (item.type === "code_call") this.#noteFiles(item);
    this.#session = new SessionUse(context.sessions, {
      organization: response.organization,
      named: response.settings.container,
      previous: response.containerId,
      placedFileIds: response.placedFileIds,
      memoryMb: response.settings.memoryMb,
      fileIds,
    });
  }

  get hasCallsLeft(): boolean {
    return this.#calls < this.#response.settings.codeCallsMax;
  }

  /** Whether any code of this response has begun to run. */
  get hasRun(): boolean {
    return this.#hasRun;
  }

  /** Whether code waits for the caller's functions. The response then ends with their calls. */
  get waits(): boolean {
    return this.#waits;
  }

  /** Runs one block of code, or ends its call with the reason why not. Rejects when the response cannot continue. */
  async run({ call, code }: WrittenCode): Promise<void> {
    if (this.#waits) return this.skipCall(call, "incomplete", notes.otherProgramWaits);
    const { codeBytesMax } = this.#context.limits;
    if (code === null) return this.skipCall(call, "failed", notes.badArguments);
    if (code.trim() === "") return this.skipCall(call, "failed", notes.emptyCode);
    if (Buffer.byteLength(code) > codeBytesMax) return this.skipCall(call, "failed", codeTooLong(codeBytesMax));
    if (!this.hasCallsLeft) return this.skipCall(call, "incomplete", notes.callBound);
    this.#calls += 1;
    this.#writer.interpreting(call);
    this.#endRun(call, await this.#execute(call, code));
  }

  /** Goes on with a program whose functions the caller has answered, as another item. */
  async goOn({ call: begun, executionId, answers }: WaitingProgram): Promise<void> {
    const call = this.#writer.beginCode(begun.callId, begun.containerId);
    call.part = "continues";
    call.executionId = executionId;
    this.#writer.endCode(call, begun.code ?? "");
    this.#writer.interpreting(call);
    this.#hasRun = true;
    const { organization } = this.#response;
    const follow = { organization, signal: this.#signal, waitMs: this.#context.limits.responseTimeoutMsMax, cancelOnAbort: true };
    try {
      this.#endRun(call, await this.#context.answerExecution({ ...follow, id: executionId, answers }));
    } catch (error) {
      this.#signal.throwIfAborted();
      const isGone = error instanceof ServiceError && (error.code === "execution_not_found" || error.code === "tool_call_not_waiting");
      if (!isGone) throw failureOf(error);
      this.skipCall(call, "failed", notes.programGone);
    }
  }

  #endRun(call: CodeCall, execution: Execution): void {
    if (execution.outcome !== "never_started") this.#hasRun = true;
    call.executionId = execution.id;
    if (execution.status === "requires_action") {
      this.#waits = true;
      this.#writer.pauseCall(call);
      for (const { call_id: callId, name, arguments: args } of execution.pending_calls ?? [])
        this.#writer.programCall({ callId, name, argumentsJson: JSON.stringify(args) }, execution.id);
      return;
    }
    call.cause = execution.cause;
    call.outputs = execution.outputs;
    const note = this.#session.takeNote();
    call.told = [...(note === null ? [] : [`[${note}]`]), toolText(execution, this.#context.limits)].join("\n");
    if (isSessionGone(execution)) this.#session.forget();
    this.#noteFiles(call);
    this.#writer.endCall(call, itemStatuses[execution.status]);
  }

  skipCall(call: CodeCall, status: "failed" | "incomplete", note: string): void {
    call.told = `[${note}]`;
    this.#writer.endCall(call, status);
  }

  /** The id of the session that the code runs in. It is created or continued on the first call. */
  async container(): Promise<string> {
    try {
      const id = await this.#session.ensure();
      this.#response.containerId = id;
      this.#response.placedFileIds = this.#session.placedFileIds;
      return id;
    } catch (error) {
      throw failureOf(error);
    }
  }

  /** Images that the code made, as a user message: the chat protocol accepts images only from users. */
  async imagesOf(calls: readonly CodeCall[]): Promise<ChatMessage | null> {
    if (!this.#context.seesImages) return null;
    const ids = calls.flatMap((call) => call.outputs.flatMap((output) => (output.type === "image" ? [output.file_id] : [])));
    const shown = ids.slice(0, this.#context.limits.toolImagesMax);
    if (shown.length === 0) return null;
    const { organization } = this.#response;
    const parts: ChatPart[] = [];
    for (const file of await this.#context.files.getMany(organization, shown)) {
      const url = file === null ? null : await dataUrlOf(file, { ...this.#context, organization });
      if (url !== null) parts.push({ type: "image_url", image_url: { url } });
    }
    if (parts.length === 0) return null;
    return { role: "user", content: [{ type: "text", text: "[Images that the code produced:]" }, ...parts] };
  }

  /** Call when the response has ended. */
  release(): Promise<void> {
    return this.#session.release();
  }

  /** Runs the code in the response's session. If the session is gone and may be replaced, retries once in a new one. */
  async #execute(call: CodeCall, code: string): Promise<Execution> {
    for (let isSecond = false; ; isSecond = true) {
      try {
        // An earlier block of the same turn may have lost the session.
        call.containerId = await this.container();
        const wanted = { organization: this.#response.organization, container: call.containerId, code, responseId: this.#response.id };
        const { programFunctions: functions = [], toolServers } = this.#response.settings;
        const servers = toolServers?.labels ?? [];
        const onOutput = this.#response.dialect === "own" ? { onOutput: this.#writer.codeOutput.bind(this.#writer, call) } : {};
        return await runCode(
          this.#context.runExecution,
          this.#context.limits,
          { ...wanted, functions, servers, ...onOutput },
          this.#signal,
        );
      } catch (error) {
        this.#signal.throwIfAborted();
        const isReplaceable = isSessionMissing(error) && this.#response.settings.container === null;
        if (!isReplaceable || isSecond) throw failureOf(error);
        this.#session.forget();
      }
    }
  }

  #noteFiles(call: CodeCall): void {
    for (const { name, fileId } of filesAmong(call.outputs)) this.produced.set(name, { containerId: call.containerId, fileId });
  }
}

const itemStatuses = {
  queued: "incomplete",
  in_progress: "incomplete",
  requires_action: "incomplete",
  completed: "completed",
  failed: "failed",
  incomplete: "incomplete",
  cancelled: "incomplete",
  errored: "failed",
} as const satisfies Record<Execution["status"], CodeCall["status"]>;

/** Turns an error of the queue or the sessions into the failure of the response. */
function failureOf(error: unknown): unknown {
  if (!(error instanceof ServiceError)) return error;
  switch (error.code) {
    case "container_not_found":
    case "container_expired":
    case "container_lost":
    case "container_unavailable":
      return new ResponseFailed(error.code, error.detail, error);
    default:
      return new ResponseFailed("execution_failed", `The code could not be run: ${error.detail}`, error);
  }
}
