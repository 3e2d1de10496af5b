import { ServiceError } from "../../domain/errors.ts";
import { isFinal } from "../../domain/status.ts";
import { receiptOf, signReceipt } from "../../receipts/receipt.ts";
import { callerOf } from "../core/auth.ts";
import type { AppDeps, Route } from "../core/deps.ts";
import { executionIdOf } from "./execution-param.ts";

/** GET /v1/executions/:id/receipt: what ran in what, signed. */
export function executionReceiptGet({ receipts }: AppDeps): Route {
  return {
    method: "get",
    path: "/v1/executions/:id/receipt",
    scope: "read",
    handlers: [
      async (request, response) => {
        const source = await receipts.source(callerOf(response).organization, executionIdOf(request));
        if (source === null) throw new ServiceError("execution_not_found");
        if (!isFinal(source.execution.status)) {
          throw new ServiceError("execution_running", { detail: "The execution has not ended; its receipt is made when it has." });
        }
        const jws = await signReceipt(receiptOf(source), receipts.keys);
        response.setHeader("Content-Type", "application/jose");
        response.end(jws);
      },
    ],
  };
}
