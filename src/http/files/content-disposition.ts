import { create } from "content-disposition";

/** A Content-Disposition value that makes browsers save the file instead of showing it. */
export function attachment(name: string): string {
  return create(name.slice(name.lastIndexOf("/") + 1).toWellFormed());
}
