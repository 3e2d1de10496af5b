import { randomBytes } from "node:crypto";
import { JsonExtent } from "./json-extent.ts";
import { type ModelEvent, ModelFailed } from "./model.ts";

/** One entry of `tool_calls` in a chunk, with what could be read of it. */
export interface CallDelta {
  index: number | null;
  id: string;
  name: string;
  arguments: string;
  /** Fields of the server's own that it needs back with the call, such as Gemini's thought signature. */
  extra: Record<string, unknown> | null;
}

interface OpenCall {
  index: number;
  id: string;
  name: string;
  /** Arguments that came before the name was complete. */
  held: string;
  extent: JsonExtent;
  isAnnounced: boolean;
  /** The name came again after whole arguments: what follows decides whether a repetition or the next call. */
  isNamedAgain: boolean;
}

/**
 * Assembles the calls of one turn from their fragments. Servers differ in all parts: the index, id or name is missing, split, repeated or
 * changed in later fragments. A call is announced once its name is complete, which is when its arguments begin.
 */
export class ToolCalls {
  readonly #calls: OpenCall[] = [];
  /** The latest call of each index of the server's. */
  readonly #byIndex = new Map<number, OpenCall>();

  push(delta: CallDelta): ModelEvent[] {
    const current = this.#currentOf(delta);
    if (current === undefined && delta.name === "" && delta.arguments !== "" && delta.id === "" && delta.index === null)
      throw new ModelFailed("model_broken_answer");
    const isNew = current === undefined || this.#beginsAnother(delta, current);
    const call = isNew ? this.#begin(delta) : current;
    if (isNew && delta.name === "") call.name = current?.name ?? "";
    if (delta.name !== "" && !call.isAnnounced) call.name = joinedName(call.name, delta.name);
    const events: ModelEvent[] = [];
    if (delta.arguments !== "") {
      call.extent.push(delta.arguments);
      call.held += delta.arguments;
      if (call.name !== "") events.push(...release(call));
    }
    if (delta.extra !== null) events.push(...announce(call), { type: "extra", index: call.index, fields: delta.extra });
    return events;
  }

  /** Announces the calls that have no arguments. A call without a name is not one. */
  end(): ModelEvent[] {
    return this.#calls.flatMap((call) => (call.name === "" ? [] : release(call)));
  }

  #currentOf({ index, id }: CallDelta): OpenCall | undefined {
    if (index !== null) return this.#byIndex.get(index);
    return (id === "" ? undefined : this.#calls.find((call) => call.id === id)) ?? this.#calls.at(-1);
  }

  /** Whether a fragment that could continue a call begins the next one. The arguments so far decide: a whole value takes no more. */
  #beginsAnother(delta: CallDelta, current: OpenCall): boolean {
    if (delta.name === "") return current.isNamedAgain && delta.arguments !== "";
    if (current.name === "") return false;
    if (delta.id !== "" && delta.id === current.id) return false;
    const { extent } = current;
    if (extent.isComplete) {
      current.isNamedAgain = true;
      return delta.arguments !== "" || delta.id !== "" || delta.name !== current.name;
    }
    if (!extent.isEmpty) return false;
    // Nothing but names so far: a server without indexes sends each call whole, others split or repeat the name.
    return delta.index === null || (delta.id !== "" && delta.name !== current.name);
  }

  #begin({ index, id }: CallDelta): OpenCall {
    const call: OpenCall = {
      index: this.#calls.length,
      id: id || `call_${randomBytes(12).toString("hex")}`,
      name: "",
      held: "",
      extent: new JsonExtent(),
      isAnnounced: false,
      isNamedAgain: false,
    };
    this.#calls.push(call);
    if (index !== null) this.#byIndex.set(index, call);
    return call;
  }
}

/** A name may be split, sent again whole, or sent growing. */
function joinedName(known: string, part: string): string {
  if (part === known) return known;
  return part.startsWith(known) ? part : known + part;
}

function announce(call: OpenCall): ModelEvent[] {
  if (call.isAnnounced || call.name === "") return [];
  call.isAnnounced = true;
  return [{ type: "call", index: call.index, id: call.id, name: call.name }];
}

function release(call: OpenCall): ModelEvent[] {
  const events = announce(call);
  if (call.held !== "") events.push({ type: "arguments", index: call.index, delta: call.held });
  call.held = "";
  return events;
}
