import type { Response } from "express";

/** Aborted when the connection closes before the answer was finished. */
export function callerGone(response: Response): AbortSignal {
  const gone = new AbortController();
  const check = () => {
    if (!response.writableFinished) gone.abort();
  };
  if (response.closed || response.destroyed) check();
  else response.once("close", check);
  return gone.signal;
}
