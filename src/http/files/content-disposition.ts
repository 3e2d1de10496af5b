import { create } from "content-disposition";

/** A Content-Disposition value that makes a browser save the file and never show it. */
export function attachment(name: string): string {
  return create(name.slice(name.lastIndexOf("/") + 1).toWellFormed());
}
