import { byId, bytesText, honestName, make, timeText } from "./dom.js";
import { waysOut } from "./ways-out.js";

const words = {
  queued: "Waiting",
  in_progress: "Running",
  requires_action: "Waiting for answers",
  completed: "Completed",
  failed: "Failed",
  incomplete: "Stopped by a limit",
  cancelled: "Cancelled",
  errored: "The service failed",
};

const causes = {
  exception: "an exception",
  exit: "ended with an exit code",
  signal: "ended by a signal",
  timeout: "time limit",
  memory: "out of memory",
  processes: "too many processes",
  disk: "the working folder is full",
  output: "too much output",
  cancelled: "stopped by you",
  sandbox_lost: "the sandbox was lost",
  worker_lost: "the worker was lost",
};

const phases = [
  ["queue_ms", "queue"],
  ["acquire_ms", "sandbox"],
  ["run_ms", "code"],
  ["collect_ms", "files"],
];

/** The state of a run and, at its end, its usage relative to the limits. */
export class RunStatus {
  #place = byId("run-status");
  #statusText = byId("status");
  #timer = null;

  clear() {
    this.#stopClock();
    this.#place.hidden = true;
    this.#statusText.textContent = "";
  }

  waiting() {
    this.clear();
    this.#statusText.textContent = "Waiting for a sandbox …";
  }

  running(timeoutMs) {
    this.#stopClock();
    const started = performance.now();
    const clock = make("span", { className: "clock" });
    const fill = make("div", { className: "fill" });
    this.#place.replaceChildren(
      make("div", { className: "run-head" }, badge("in_progress"), clock),
      make("div", { className: "bar live", ariaHidden: "true" }, fill),
    );
    this.#place.hidden = false;
    this.#place.classList.add("live");
    this.#statusText.textContent = "Running …";
    const tick = () => {
      const ms = performance.now() - started;
      clock.textContent = timeoutMs === null ? timeText(ms) : `${timeText(ms)} of ${timeText(timeoutMs)}`;
      fill.style.width = timeoutMs === null ? "0" : `${Math.min(100, (ms / timeoutMs) * 100)}%`;
    };
    tick();
    this.#timer = setInterval(tick, 100);
  }

  ended(execution, limits) {
    this.#stopClock();
    const why = execution.cause === null ? null : make("span", {}, causes[execution.cause] ?? execution.cause, evidenceText(execution));
    const head = make("div", { className: "run-head" }, badge(execution.status), why);
    const parts = [head];
    if (execution.usage !== null) parts.push(phaseBar(execution.usage), usageRow(execution.usage, limits));
    for (const note of [...waysOut(execution, limits), ...notesOf(execution)]) parts.push(make("p", { className: "note" }, note));
    this.#place.replaceChildren(...parts);
    this.#place.hidden = false;
    this.#statusText.textContent = `${words[execution.status]}${execution.usage === null ? "" : ` in ${timeText(total(execution.usage))}`}`;
  }

  failed(message) {
    this.#stopClock();
    this.#place.replaceChildren(
      make("div", { className: "run-head" }, badge("errored", "Not run")),
      make("p", { className: "problem" }, message),
    );
    this.#place.hidden = false;
    this.#statusText.textContent = message;
  }

  #stopClock() {
    clearInterval(this.#timer);
    this.#place.classList.remove("live");
  }
}

function badge(status, text = words[status]) {
  return make("span", { className: `badge ${status}` }, text);
}

function evidenceText({ cause, evidence }) {
  if (cause === "exit" && evidence.exit_code !== undefined) return ` ${evidence.exit_code}`;
  if (cause === "signal" && evidence.signal !== undefined) return ` ${evidence.signal}`;
  if (cause === "timeout" && evidence.limit_value !== undefined) return ` of ${timeText(evidence.limit_value)}`;
  return "";
}

function total(usage) {
  return phases.reduce((sum, [name]) => sum + usage[name], 0);
}

/** The four phases of a run in one bar; each is as wide as its time. */
function phaseBar(usage) {
  const sum = Math.max(1, total(usage));
  const bar = make("div", { className: "bar", ariaHidden: "true" });
  const legend = make("ul", { className: "legend", ariaLabel: "Phases" });
  for (const [name, label] of phases) {
    const part = make("div", { className: `phase ${label}` });
    part.style.width = `${(usage[name] / sum) * 100}%`;
    bar.append(part);
    legend.append(make("li", {}, make("span", { className: `dot ${label}`, ariaHidden: "true" }), `${label} ${timeText(usage[name])}`));
  }
  return make("div", { className: "phases" }, bar, legend);
}

function usageRow(usage, limits) {
  const memoryMax = limits.memoryMb === null ? null : limits.memoryMb * 1024 * 1024;
  return make(
    "div",
    { className: "usage" },
    measure("time", usage.run_ms, limits.timeoutMs, timeText),
    measure("memory", usage.memory_peak_bytes, memoryMax, bytesText),
    make("span", {}, `cpu ${timeText(usage.cpu_ms)}`),
    make("span", {}, `output ${bytesText(usage.stdout_bytes + usage.stderr_bytes)}`),
    usage.file_bytes > 0 ? make("span", {}, `files ${bytesText(usage.file_bytes)}`) : null,
    make("span", {}, usage.warm ? "warm start" : "cold start"),
  );
}

function measure(name, value, max, textOf) {
  if (max === null) return make("span", {}, `${name} ${textOf(value)}`);
  const share = Math.min(1, value / max);
  const fill = make("div", { className: share > 0.9 ? "fill high" : "fill" });
  fill.style.width = `${share * 100}%`;
  const text = `${name} ${textOf(value)} of ${textOf(max)}`;
  return make("div", { className: "measure" }, make("span", {}, text), make("div", { className: "bar small", ariaHidden: "true" }, fill));
}

function notesOf({ truncated, skipped_files: skipped, attempt, outcome, status, retry_safe: retrySafe, evidence }) {
  const notes = [];
  const cut = ["stdout", "stderr"].filter((stream) => truncated[stream]);
  if (cut.length > 0) notes.push(`The text of ${cut.join(" and ")} was too long; its end is missing.`);
  if (truncated.outputs) notes.push("Some outputs are missing: there were too many, or they were too large.");
  if (truncated.files && skipped.length === 0) notes.push("Some files are missing: there were too many.");
  for (const file of skipped) notes.push(`${honestName(file.name)} was not saved: ${file.reason}.`);
  if (attempt > 1) notes.push(`It ran ${attempt} times, because a worker was lost.`);
  if (evidence.session_alive === false) notes.push("The session ended with it; its variables are gone.");
  if (evidence.restored === "before_cell")
    notes.push("The code ended the session's process. Its variables are those from before this code; files are as the code left them.");
  else if (evidence.session_alive === true && status !== "completed" && status !== "failed")
    notes.push("The session continues with its variables.");
  if (status === "errored")
    notes.push(
      `${outcome === "never_started" ? "The code did not run." : "The code may have run in part."}${retrySafe ? " Running it again is safe." : ""}`,
    );
  return notes;
}
