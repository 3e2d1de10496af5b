import type { Limits } from "../domain/limits.ts";
import type { PackageList } from "../domain/packages.ts";
import type { Log } from "../observe/log.ts";
import type { Interpreter } from "./interpreter.ts";
import type { RunningCalls } from "./running-calls.ts";

/** Dependencies of a tool, for one caller. */
export interface ToolDeps {
  organization: string;
  interpreter: Interpreter;
  limits: Limits;
  packages: Pick<PackageList, "latest">;
  log: Log;
  running: RunningCalls;
}
