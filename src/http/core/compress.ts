import { constants } from "node:zlib";
import compression from "compression";
import type { RequestHandler } from "express";

const THRESHOLD_BYTES = 1024;

/**
 * Compresses JSON and text above 1 KiB, if the client accepts that. Fast settings: most clients are near, and a result
 * should not wait for its compression. Event streams and the contents of files are sent as they are.
 */
export const compress: RequestHandler = compression({
  threshold: THRESHOLD_BYTES,
  level: 1,
  brotli: { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } },
  filter: (request, response) => {
    if (response.hasHeader("Content-Disposition")) return false;
    if (/^text\/event-stream\b/.test(String(response.getHeader("Content-Type")))) return false;
    return compression.filter(request, response);
  },
});
