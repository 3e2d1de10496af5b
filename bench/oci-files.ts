import type { Measure } from "./harness/context.ts";
import { measureCopies, rowOf } from "./harness/file-copies.ts";

/** How fast are uploads and downloads of a large file without Docker, compared with `docker cp`? */
export const measure: Measure = async (context) => {
  const { service, command } = await measureCopies(context, "oci");
  return [
    rowOf("oci: 64 MiB file in at rest, against `docker cp`", service.in, command.in),
    rowOf("oci: 64 MiB file out at rest, against `docker cp`", service.out, command.out),
  ];
};
