import type { Response } from "express";

const signals = new WeakMap<Response, AbortSignal>();

/** Aborted when the connection closes before the response is complete. */
export function callerGone(response: Response): AbortSignal {
  const known = signals.get(response);
  if (known !== undefined) return known;
  const gone = new AbortController();
  signals.set(response, gone.signal);
  const check = () => {
    if (!response.writableFinished) gone.abort();
  };
  if (response.closed || response.destroyed) check();
  else response.once("close", check);
  return gone.signal;
}
