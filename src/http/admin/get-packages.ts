import { ServiceError } from "../../domain/errors.ts";
import type { AppDeps, Route } from "../core/deps.ts";

/** GET /v1/packages: what code can import. */
export function getPackages({ packages }: AppDeps): Route {
  return {
    method: "get",
    path: "/v1/packages",
    scope: "read",
    handlers: [
      async (_request, response) => {
        const found = await packages.read();
        if (found === null) throw new ServiceError("packages_unknown", { detail: "No worker has started yet." });
        response.json({ object: "packages", ...found });
      },
    ],
  };
}
