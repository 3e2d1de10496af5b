import type { Measure } from "./harness/context.ts";
import { measureCopies, rowOf } from "./harness/file-copies.ts";

const RATIO_MIN = 0.5;

/**
 * How fast are uploads and downloads of a large file, compared with `docker cp`? The engine's API is reported too: without
 * the command's process and disk access it is nearly twice as fast on the way in.
 */
export const measure: Measure = async (context) => {
  const { service, command, engine } = await measureCopies(context, "docker");
  return [
    rowOf("64 MiB file in at rest: upload and an execution that has it, against `docker cp`", service.in, command.in, RATIO_MIN),
    rowOf("64 MiB file out at rest: an execution that makes it and download, against `docker cp`", service.out, command.out, RATIO_MIN),
    rowOf("the same in, against the engine's interface, from memory", service.in, engine.in),
    rowOf("the same out, against the engine's interface, to memory", service.out, engine.out),
  ];
};
