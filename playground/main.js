import { ask, askJson, Refused, runEvents } from "./api.js";
import { byId, make } from "./dom.js";
import { Editor } from "./editor.js";
import { examples } from "./examples.js";
import { InputFiles } from "./files.js";
import { remember, setUpHistory } from "./history.js";
import { askForKey, currentKey, setUpKey } from "./key.js";
import { readLimits } from "./limits.js";
import { Outputs } from "./outputs.js";
import { RunStatus } from "./run-status.js";
import { SessionSwitch } from "./sessions.js";
import { ToolAnswers } from "./tools.js";

const DRAFT = "code-interpreter-draft";
/** A person answers. */
const TOOL_TIMEOUT_MS = 600_000;

const status = new RunStatus();
const editor = new Editor({ onChange: (code) => sessionStorage.setItem(DRAFT, code) });
const outputs = new Outputs({ onLine: (line) => editor.goTo(line) });
const sessions = new SessionSwitch({ onProblem: showProblem });
const tools = new ToolAnswers();
const files = new InputFiles({ onProblem: showProblem });
let limits = { timeoutMs: null, memoryMb: null };
/** The current run; its id is set once the service has accepted it. */
let running = null;

setUpKey(() => {
  files.clear();
  sessions.refresh();
});
setUpHistory(showEarlier);
setUpExamples();
setUpActions();
editor.code = sessionStorage.getItem(DRAFT) ?? examples[0].code;
if (currentKey() === "") askForKey();
else editor.focus();
readLimits().then(setLimits);
await sessions.refresh();

async function run() {
  if (running !== null) return;
  if (currentKey() === "") return askForKey();
  running = { id: null, stopped: false };
  setBusy(true);
  outputs.clear();
  tools.clear();
  editor.mark(null);
  hideReplaced();
  status.waiting();
  // On a phone, the result is below the editor.
  if (matchMedia("(max-width: 820px)").matches) byId("right").scrollIntoView({ block: "start" });
  const code = editor.code;
  try {
    const container = await sessions.forRun();
    const body = await bodyOf(code, container);
    if (container !== null)
      sessions.rememberGiven(
        container,
        body.files.map((file) => file.file_id),
      );
    for await (const event of runEvents(body, accepted)) handleEvent(event, code, body);
  } catch (error) {
    await failed(error);
  } finally {
    running = null;
    setBusy(false);
  }
}

async function bodyOf(code, container) {
  const [seconds, megabytes] = [byId("timeout").value, byId("memory").value];
  const args = byId("args")
    .value.split("\n")
    .filter((line) => line !== "");
  const declared = tools.declared();
  return {
    code,
    files: await files.references(container === null ? new Set() : sessions.filesGiven(container)),
    ...(container === null ? {} : { container }),
    ...(seconds === "" ? {} : { timeout_ms: Math.round(Number(seconds) * 1000) }),
    ...(megabytes === "" || container !== null ? {} : { memory_mb: Number(megabytes) }),
    ...(args.length === 0 ? {} : { args }),
    ...(byId("stdin").value === "" ? {} : { stdin: byId("stdin").value }),
    ...(declared.length === 0 ? {} : { tools: declared, tool_timeout_ms: TOOL_TIMEOUT_MS }),
  };
}

function accepted(id) {
  running.id = id;
  if (running.stopped) stop();
}

function handleEvent(event, code, body) {
  if (event.type === "execution.started") {
    // After the loss of a worker, all outputs are sent again.
    if (event.attempt > 1) outputs.clear();
    status.running(body.timeout_ms ?? limits.timeoutMs);
  } else if (event.type === "execution.output") outputs.add(event.output);
  else if (event.type === "execution.tool_call") tools.called(running.id, event, (error) => showProblem(error.message, error));
  else if (event.type === "execution.tool_output") tools.answered(event);
  else if (event.type === "execution.ended") {
    tools.clear();
    const given = { timeoutMs: body.timeout_ms ?? limits.timeoutMs, memoryMb: body.memory_mb ?? limits.memoryMb };
    show(event.execution, given);
    remember({ id: event.execution.id, code, status: event.execution.status, at: Date.now(), limits: given });
    if (event.execution.evidence.session_alive === false) sessions.refresh();
  }
}

function show(execution, ofLimits) {
  outputs.show(execution);
  status.ended(execution, ofLimits);
  const error = execution.outputs.findLast((output) => output.type === "error" && output.line !== null);
  if (error !== undefined) editor.mark(error.line);
}

async function failed(error) {
  showProblem(error.message, error);
  // The session may have ended, or was deleted elsewhere.
  if (error instanceof Refused && (error.status === 410 || error.status === 404)) await sessions.refresh();
}

function showProblem(message, error) {
  if (error instanceof Refused && error.status === 401) askForKey("The service no longer accepts this key.");
  status.failed(message);
}

async function stop() {
  if (running === null) return;
  running.stopped = true;
  byId("stop").disabled = true;
  if (running.id !== null) await ask("POST", `/v1/executions/${running.id}/cancel`).catch((error) => showProblem(error.message, error));
}

async function showEarlier(entry) {
  replaceCode(entry.code);
  outputs.clear();
  status.clear();
  try {
    show(await askJson("GET", `/v1/executions/${entry.id}`), entry.limits ?? limits);
  } catch (error) {
    status.failed(
      error instanceof Refused && error.status === 404 ? "This result is no longer stored; the code is in the editor." : error.message,
    );
  }
}

function setLimits(read) {
  limits = read;
  byId("timeout").placeholder = limits.timeoutMs === null ? "" : String(limits.timeoutMs / 1000);
  byId("memory").placeholder = limits.memoryMb === null ? "" : String(limits.memoryMb);
}

/** Replaces the code in the editor, and offers the draft back unless it is one of the examples. */
function replaceCode(code) {
  const draft = editor.code;
  editor.replace(code);
  if (draft.trim() === "" || draft === code || examples.some((example) => example.code === draft)) return hideReplaced();
  byId("replaced").hidden = false;
  byId("replaced-undo").onclick = () => {
    editor.replace(draft);
    hideReplaced();
  };
}

function hideReplaced() {
  byId("replaced").hidden = true;
}

function setBusy(busy) {
  byId("run").disabled = busy;
  byId("stop").disabled = !busy;
  document.body.classList.toggle("busy", busy);
}

function setUpExamples() {
  const select = byId("example");
  select.append(
    make("option", { value: "" }, "choose …"),
    ...examples.map(({ title }, index) => make("option", { value: String(index) }, title)),
  );
  select.addEventListener("change", () => {
    const chosen = examples[Number(select.value)];
    if (select.value !== "" && chosen !== undefined) replaceCode(chosen.code);
    select.value = "";
  });
}

function setUpActions() {
  byId("run").addEventListener("click", run);
  byId("stop").addEventListener("click", stop);
  addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || document.querySelector("dialog[open]")) return;
    if (event.key === "Enter") {
      event.preventDefault();
      run();
    } else if (event.key === ".") {
      event.preventDefault();
      stop();
    }
  });
}
