import { KeyFile } from "../keys/keys.ts";
import { SigningKeyFile } from "../receipts/signing-keys.ts";
import type { ProcessContext } from "./process.ts";

export interface KeyFiles {
  keys: KeyFile;
  receiptKeys: SigningKeyFile;
  /** A failed check while no caller has a valid key; otherwise nothing. */
  check(): { keys?: false };
  /** What an operator has to repair. */
  warnings: () => string[];
}

/** The files of API keys and receipt keys. They are read again when they change, on SIGHUP, and looked at by each scrape. */
export async function openKeyFiles({ config, log, metrics, reloads }: ProcessContext): Promise<KeyFiles> {
  const keys = new KeyFile(config.KEYS_FILE, (error) => log.error({ err: error }, "the key file cannot be read; the old keys stay valid"));
  const receiptKeys = await SigningKeyFile.open(config.RECEIPT_KEY_FILE, (error) =>
    log.error({ err: error }, "the file of receipt keys cannot be read; the old keys stay in use"),
  );
  if (keys.state === "missing") log.warn("there is no key file, so every request is refused; KEYS_FILE names it");
  reloads.add(() => {
    keys.reload();
    receiptKeys.reload();
  });
  Object.assign(metrics.keyFileReadable, {
    collect: () => {
      metrics.keyFileReadable.set({ file: "keys" }, keys.state === "read" ? 1 : 0);
      metrics.keyFileReadable.set({ file: "receipt_keys" }, receiptKeys.state === "read" ? 1 : 0);
    },
  });
  return {
    keys,
    receiptKeys,
    check: () => (keys.state === "missing" ? { keys: false } : {}),
    warnings: () => [
      ...(keys.state === "missing" ? ["KEYS_FILE is missing: every request with a key is refused"] : []),
      ...(keys.state === "broken" ? ["KEYS_FILE cannot be read: its last valid keys are in use"] : []),
      ...(receiptKeys.state === "read"
        ? []
        : [`RECEIPT_KEY_FILE ${receiptKeys.state === "missing" ? "is missing" : "cannot be read"}: its last keys are in use`]),
    ],
  };
}
