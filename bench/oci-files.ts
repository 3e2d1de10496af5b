import { measureCopies, rowOf } from "./harness/file-copies.ts";
import type { Measure } from "./harness/world.ts";

/** How fast does a large file go in and out without Docker, against `docker cp`? */
export const measure: Measure = async (world) => {
  const { service, command } = await measureCopies(world, "oci");
  return [
    rowOf("oci: 64 MiB file in at rest, against `docker cp`", service.in, command.in),
    rowOf("oci: 64 MiB file out at rest, against `docker cp`", service.out, command.out),
  ];
};
