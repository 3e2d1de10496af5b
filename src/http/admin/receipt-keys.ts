import type { Express } from "express";
import type { AppDeps } from "../core/deps.ts";

/** Adds `/v1/receipt-keys`, the public keys of receipts, for whoever holds one; no key of ours is needed. */
export function addReceiptKeys(app: Express, { receipts }: Pick<AppDeps, "receipts">): void {
  app.get("/v1/receipt-keys", (_request, response) => {
    response.json({ keys: receipts.keys.public });
  });
}
