import type { components } from "./generated.ts";

type Schemas = components["schemas"];
export type Execution = Schemas["Execution"];
/** One output, told apart by `type`. */
export type Output = Execution["outputs"][number];
export type ExecutionEvent = Schemas["ExecutionEvent"];
