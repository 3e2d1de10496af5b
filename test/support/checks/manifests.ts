import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";

/** A Kubernetes object as in its file. The published schemas validate its fields. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  // biome-ignore lint/suspicious/noExplicitAny: each kind has its own
  spec?: any;
  data?: Record<string, string>;
}

const folder = join(import.meta.dirname, "../../../k8s");

/** Every whole object under k8s/ with its file; patches and kustomizations are not objects. */
export function readManifests(): Array<{ file: string; manifest: Manifest }> {
  return kustomizations().flatMap((home) => {
    const { resources = [] } = parse(readFileSync(join(folder, home, "kustomization.yaml"), "utf8")) as { resources?: string[] };
    return resources
      .filter((name) => name.endsWith(".yaml"))
      .flatMap((name) => {
        const file = join(home, name);
        return parseManifests(readFileSync(join(folder, file), "utf8")).map((manifest) => ({ file, manifest }));
      });
  });
}

/** Folders with a kustomization, relative to k8s/. */
export function kustomizations(): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith("kustomization.yaml"))
    .map((file) => join(file, ".."))
    .sort();
}

/** The objects of one YAML text. Throws YAML errors, including duplicate keys. */
export function parseManifests(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0];
    return document.toJS() as Manifest;
  });
}

/** Throws if the published schema of its kind rejects the object or lacks one of its fields. */
export async function validateManifest(manifest: Manifest): Promise<void> {
  const [group = "", stated = ""] = manifest.apiVersion.includes("/") ? manifest.apiVersion.split("/") : ["", manifest.apiVersion];
  const version = olderSchemas[manifest.apiVersion] ?? stated;
  const path = [packages[group] ?? "kubernetes-models", group, version, manifest.kind].filter((part) => part !== "").join("/");
  const models = (await import(path)) as Record<string, { prototype: { validate(): void } }>;
  const model = models[manifest.kind];
  if (model === undefined) throw new TypeError(`there is no schema of ${manifest.kind} in ${path}`);
  const seen = new WatchedObject({ ...manifest, apiVersion: group === "" ? version : `${group}/${version}` }, model.prototype);
  model.prototype.validate.call(seen.proxy);
  const unread = seen.unread().filter((field) => !["/apiVersion", "/kind"].includes(field));
  if (unread.length > 0) throw new TypeError(`unknown fields: ${unread.join(", ")}`);
}

const packages: Record<string, string> = {
  "external-secrets.io": "@kubernetes-models/external-secrets",
  "gateway.networking.k8s.io": "@kubernetes-models/gateway-api",
  "keda.sh": "@kubernetes-models/keda",
  "monitoring.coreos.com": "@kubernetes-models/prometheus-operator",
};

/** The package for Node 20 has only the version before, with the same fields for what we use. */
const olderSchemas: Record<string, string> = { "external-secrets.io/v1": "v1beta1" };

/** Records the fields that a validator reads: the schemas allow unknown fields, which would hide a misspelling. */
class WatchedObject {
  readonly proxy: object;
  readonly #read = new Set<string>();
  readonly #parts = new Map<string, WatchedObject>();
  readonly #target: Record<string, unknown>;

  /** `model` holds what the validator looks up by a symbol: the name of its schema. */
  constructor(target: object, model: object = {}) {
    this.#target = target as Record<string, unknown>;
    this.proxy = new Proxy(target, {
      get: (_, key) => (typeof key === "symbol" ? (Reflect.get(target, key) ?? Reflect.get(model, key)) : this.#get(key)),
      // A map with free keys, such as labels, is read key by key.
      ownKeys: () => {
        for (const key of Object.keys(target)) this.#read.add(key);
        return Reflect.ownKeys(target);
      },
    });
  }

  unread(at = ""): string[] {
    return Object.keys(this.#target).flatMap((key) => {
      if (!this.#read.has(key)) return [`${at}/${key}`];
      return this.#parts.get(key)?.unread(`${at}/${key}`) ?? [];
    });
  }

  #get(key: string): unknown {
    this.#read.add(key);
    const value = this.#target[key];
    if (typeof value !== "object" || value === null) return value;
    const part = this.#parts.get(key) ?? new WatchedObject(value);
    this.#parts.set(key, part);
    return part.proxy;
  }
}
