import { byId, make } from "./dom.js";
import { currentKeyId } from "./key.js";

const ENTRIES_MAX = 30;
const CODE_CHARS_MAX = 20_000;

const storageKey = () => `code-interpreter-history-${currentKeyId()}`;

function read() {
  try {
    const entries = JSON.parse(localStorage.getItem(storageKey()) ?? "[]");
    return Array.isArray(entries) ? entries : [];
  } catch {
    return [];
  }
}

function write(entries) {
  try {
    localStorage.setItem(storageKey(), JSON.stringify(entries));
  } catch {
    // Without storage there is no history; everything else works.
  }
}

/** Adds a run to the history of the current key. Each key has its own history. */
export function remember({ id, code, status, at, limits }) {
  const entry = { id, code: code.slice(0, CODE_CHARS_MAX), status, at, limits };
  write([entry, ...read().filter((other) => other.id !== id)].slice(0, ENTRIES_MAX));
}

/** Sets up the dialog. `onChoose` is called with the chosen entry. */
export function setUpHistory(onChoose) {
  const dialog = byId("history-dialog");
  const draw = () => {
    const items = read().map((entry) => {
      const first = entry.code.split("\n").find((line) => line.trim() !== "") ?? "";
      const time = new Date(entry.at).toLocaleString([], { dateStyle: "short", timeStyle: "medium" });
      const choose = () => {
        dialog.close();
        onChoose(entry);
      };
      return make(
        "li",
        {},
        make(
          "button",
          { type: "button", className: "history-entry", onclick: choose },
          make("code", {}, first.slice(0, 80)),
          make("span", { className: "hint" }, `${time} · ${entry.status}`),
        ),
      );
    });
    byId("history-list").replaceChildren(...(items.length > 0 ? items : [make("li", { className: "hint" }, "Nothing yet.")]));
  };
  byId("history-open").addEventListener("click", () => {
    draw();
    dialog.showModal();
  });
  byId("history-close").addEventListener("click", () => dialog.close());
  byId("history-clear").addEventListener("click", () => {
    localStorage.removeItem(storageKey());
    draw();
  });
}
