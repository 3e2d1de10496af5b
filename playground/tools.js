import { ask } from "./api.js";
import { byId, make } from "./dom.js";

const LINE = /^([A-Za-z_]\w*)\s*(?:\(([\w\s,]*)\))?$/;

/** Functions that the code may call and a person answers: one `name(parameter, …)` a line of the options. */
export class ToolAnswers {
  #place = byId("tool-calls");
  /** Forms of calls that wait, by call id. */
  #waiting = new Map();

  /** The tools for a request. Throws an error that names a line it cannot read. */
  declared() {
    const lines = byId("tools")
      .value.split("\n")
      .map((line) => line.trim());
    return lines.filter((line) => line !== "").map(toolOf);
  }

  clear() {
    this.#place.replaceChildren();
    this.#waiting.clear();
  }

  /** The code calls a function: shows the call with a field for its answer. */
  called(executionId, { call_id: callId, name, arguments: args }, onProblem) {
    if (args === null || this.#waiting.has(callId)) return;
    const input = make("input", { type: "text", autocomplete: "off", ariaLabel: `Answer to ${name}` });
    const send = (answer) => {
      const json = { outputs: [{ call_id: callId, ...answer }] };
      ask("POST", `/v1/executions/${executionId}/tool_outputs`, { json, headers: { prefer: "respond-async" } }).catch(onProblem);
    };
    const fail = make("button", { type: "button", className: "quiet" }, "Raise an error");
    fail.addEventListener("click", () => send({ error: input.value }));
    const form = make(
      "form",
      { className: "tool-call" },
      make(
        "code",
        {},
        `${name}(${Object.entries(args)
          .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
          .join(", ")})`,
      ),
      input,
      make("button", { type: "submit", className: "primary" }, "Answer"),
      fail,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send({ output: answerValue(input.value) });
    });
    this.#waiting.set(callId, form);
    this.#place.append(form);
    input.focus();
  }

  answered({ call_id: callId }) {
    this.#waiting.get(callId)?.remove();
    this.#waiting.delete(callId);
  }
}

function toolOf(line) {
  const parts = LINE.exec(line);
  if (parts === null) throw new Error(`The function "${line.slice(0, 60)}" cannot be read; write it as name(parameter, parameter).`);
  const names = (parts[2] ?? "").split(",").flatMap((name) => name.trim() || []);
  const parameters = { type: "object", properties: Object.fromEntries(names.map((name) => [name, {}])), required: names };
  return { type: "function", name: parts[1], parameters };
}

/** JSON as its value, any other text as text. */
function answerValue(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
