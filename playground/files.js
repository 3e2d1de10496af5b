import { ask, askJson } from "./api.js";
import { byId, bytesText, make } from "./dom.js";

/** Files for the working folder: dropped or chosen, uploaded immediately, passed to each run by id. */
export class InputFiles {
  #files = [];
  #onProblem;
  #uploads = new Set();

  constructor({ onProblem }) {
    this.#onProblem = onProblem;
    byId("file-button").addEventListener("click", () => byId("file-input").click());
    byId("file-input").addEventListener("change", (event) => {
      this.#add([...event.target.files]);
      event.target.value = "";
    });
    this.#acceptDrops();
  }

  /** File references for a run, once all uploads are done; without those that the session already has. */
  async references(alreadyThere = new Set()) {
    await Promise.all(this.#uploads);
    return this.#files.filter((file) => file.id !== null && !alreadyThere.has(file.id)).map(({ name, id }) => ({ name, file_id: id }));
  }

  clear() {
    this.#files = [];
    this.#draw();
  }

  #acceptDrops() {
    const overlay = byId("drop-overlay");
    let depth = 0;
    const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
    addEventListener("dragenter", (event) => {
      if (!carriesFiles(event)) return;
      depth += 1;
      overlay.hidden = false;
    });
    addEventListener("dragleave", () => {
      depth = Math.max(0, depth - 1);
      overlay.hidden = depth === 0;
    });
    addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      depth = 0;
      overlay.hidden = true;
      this.#add([...event.dataTransfer.files]);
    });
  }

  #add(chosen) {
    for (const file of chosen) {
      // Names are unique in a working folder, so the newer file replaces the older.
      this.#files = this.#files.filter((other) => other.name !== file.name);
      const entry = { name: file.name, bytes: file.size, id: null };
      this.#files.push(entry);
      const upload = this.#upload(entry, file).finally(() => this.#uploads.delete(upload));
      this.#uploads.add(upload);
    }
    this.#draw();
  }

  async #upload(entry, file) {
    try {
      const form = new FormData();
      form.append("purpose", "user_data");
      form.append("file", file, file.name);
      entry.id = (await askJson("POST", "/v1/files", { form })).id;
    } catch (error) {
      this.#files = this.#files.filter((other) => other !== entry);
      this.#onProblem(`${file.name}: ${error.message}`, error);
    }
    this.#draw();
  }

  #draw() {
    const items = this.#files.map((file) =>
      make(
        "li",
        {},
        make("span", { className: "name" }, file.name),
        make("span", { className: "hint" }, file.id === null ? "uploading …" : bytesText(file.bytes)),
        make("button", { type: "button", className: "quiet", ariaLabel: `Remove ${file.name}`, onclick: () => this.#remove(file) }, "✕"),
      ),
    );
    byId("file-list").replaceChildren(...items);
  }

  #remove(file) {
    this.#files = this.#files.filter((other) => other !== file);
    this.#draw();
    // If this fails, the file expires by itself.
    if (file.id !== null) ask("DELETE", `/v1/files/${file.id}`).catch(() => {});
  }
}
