import { ask, askJson } from "./api.js";
import { byId, make } from "./dom.js";
import { currentKey } from "./key.js";

const NONE = "";
const NEW = "new";

/** Selects the session for code: none, a new one, or a live one. Hidden when the service has no sessions. */
export class SessionSwitch {
  #select = byId("session");
  /** Ids of the files in each session, by session. */
  #given = new Map();
  #onProblem;

  constructor({ onProblem }) {
    this.#onProblem = onProblem;
    this.#select.addEventListener("change", () => this.#drawEnd());
    byId("session-end").addEventListener("click", () => this.#end());
  }

  async refresh(selected = this.#select.value) {
    const page = currentKey() === "" ? null : await askJson("GET", "/v1/containers?limit=50").catch(() => null);
    byId("session-field").hidden = page === null;
    const live = (page?.data ?? []).filter((one) => one.status === "active" || one.status === "running");
    this.#select.replaceChildren(
      make("option", { value: NONE }, "none: a fresh sandbox each run"),
      make("option", { value: NEW }, "new session"),
      ...live.map((one) => make("option", { value: one.id }, `${one.name || "session"} · …${one.id.slice(-6)}`)),
    );
    this.#select.value = [NEW, ...live.map((one) => one.id)].includes(selected) ? selected : NONE;
    this.#drawEnd();
  }

  /** The session for the next run; creates a new one if selected. Null for none. */
  async forRun() {
    if (this.#select.value === NONE) return null;
    if (this.#select.value !== NEW) return this.#select.value;
    const made = await askJson("POST", "/v1/containers", { json: { name: `playground ${new Date().toLocaleTimeString()}` } });
    await this.refresh(made.id);
    return made.id;
  }

  filesGiven(id) {
    return this.#given.get(id) ?? new Set();
  }

  rememberGiven(id, fileIds) {
    this.#given.set(id, new Set([...this.filesGiven(id), ...fileIds]));
  }

  #drawEnd() {
    byId("session-end").hidden = this.#select.value === NONE || this.#select.value === NEW;
    // The memory of a session cannot change.
    byId("memory").disabled = this.#select.value !== NONE;
  }

  async #end() {
    const id = this.#select.value;
    try {
      await ask("DELETE", `/v1/containers/${id}`);
    } catch (error) {
      this.#onProblem(error.message, error);
    }
    await this.refresh(NONE);
  }
}
