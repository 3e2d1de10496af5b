import { ServiceError } from "../domain/errors.ts";
import { assistantIdPattern, newId } from "../domain/ids.ts";
import type { Limits } from "../domain/limits.ts";
import type { AssistantStore, Files } from "./ports.ts";
import { type AssistantRequest, applyChanges, type StoredAssistant } from "./views/assistant.ts";

export interface AssistantsDeps {
  store: AssistantStore;
  files: Pick<Files, "getMany">;
  limits: Limits;
  /** Models that a request may name; null when none is configured: then every name is accepted. */
  models: readonly string[] | null;
}

/** Assistants of organizations. Another organization's id is treated as unknown. */
export class Assistants {
  readonly #deps: AssistantsDeps;

  constructor(deps: AssistantsDeps) {
    this.#deps = deps;
  }

  async create(organization: string, request: AssistantRequest): Promise<StoredAssistant> {
    const { limits, store } = this.#deps;
    await this.#ensureUsable(organization, request);
    if ((await store.count(organization)) >= limits.assistantsPerOrganizationMax) {
      throw new ServiceError("invalid_field", {
        detail: `An organization may have ${limits.assistantsPerOrganizationMax} assistants; delete one.`,
      });
    }
    const empty = { name: null, model: null, instructions: null, tools: [], fileIds: [], metadata: {} };
    const assistant = applyChanges({ id: newId("assistant"), organization, createdAt: Date.now(), ...empty }, request);
    await store.put(assistant);
    return assistant;
  }

  async get(organization: string, id: string): Promise<StoredAssistant | null> {
    return assistantIdPattern.test(id) ? this.#deps.store.get(organization, id) : null;
  }

  /** Changes only the fields in the request. */
  async update(organization: string, id: string, request: AssistantRequest): Promise<StoredAssistant | null> {
    const found = await this.get(organization, id);
    if (found === null) return null;
    await this.#ensureUsable(organization, request);
    const assistant = applyChanges(found, request);
    await this.#deps.store.put(assistant);
    return assistant;
  }

  async delete(organization: string, id: string): Promise<boolean> {
    return assistantIdPattern.test(id) && this.#deps.store.delete(organization, id);
  }

  /** Rejects with `assistant_not_found` for an unknown `after`. */
  async list(organization: string, page: { after?: string; limit: number; order: "asc" | "desc" }) {
    const found = await this.#deps.store.list(organization, page);
    if (found === null) throw new ServiceError("assistant_not_found", { param: "after", detail: "`after` names no assistant." });
    return found;
  }

  async #ensureUsable(organization: string, request: AssistantRequest): Promise<void> {
    const { files, models } = this.#deps;
    if (models !== null && request.model != null && !models.includes(request.model)) {
      throw new ServiceError("model_not_found", { detail: `\`model\`: must be one of ${models.join(", ")}.`, param: "model" });
    }
    const ids = request.file_ids ?? [];
    const missing = (await files.getMany(organization, ids)).indexOf(null);
    if (missing === -1) return;
    const param = `file_ids.${missing}`;
    throw new ServiceError("invalid_field", { detail: `\`${param}\`: there is no such file.`, param });
  }
}
