import { fileURLToPath } from "node:url";
import type { Express, Response } from "express";

/** The folder with the page's files, beside `src` and `dist`. */
const folder = fileURLToPath(new URL("../../../playground/", import.meta.url));

/** The files of the page. Others in the folder are not served. */
export const playgroundFiles = [
  "theme.css",
  "page.css",
  "editor.css",
  "inputs.css",
  "run-status.css",
  "outputs.css",
  "dialogs.css",
  "small-screens.css",
  "main.js",
  "api.js",
  "dom.js",
  "editor.js",
  "highlight.js",
  "examples.js",
  "files.js",
  "history.js",
  "key.js",
  "limits.js",
  "outputs.js",
  "output-parts.js",
  "chart.js",
  "stored-file.js",
  "run-status.js",
  "sessions.js",
  "tools.js",
  "terminal-text.js",
  "ways-out.js",
  "home.css",
  "home.js",
  "icon.svg",
] as const;

/**
 * Scripts, styles and connections are limited to this service. HTML that code produced is shown in a frame without an
 * origin, which inherits this policy. Only the Trusted Types policy `output-frame` may create such HTML.
 */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "connect-src 'self'",
  "require-trusted-types-for 'script'",
  "trusted-types output-frame",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Adds the start page and the playground, a page to try the service. The pages need no key; API calls do. */
export function addPlayground(app: Express): void {
  for (const [path, name] of [
    ["/", "home.html"],
    ["/playground", "index.html"],
  ] as const) {
    app.get(path, (_request, response, next) => {
      response.setHeader("Content-Security-Policy", PAGE_POLICY);
      send(response, name, next);
    });
  }
  for (const name of playgroundFiles) app.get(`/playground/${name}`, (_request, response, next) => send(response, name, next));
}

function send(response: Response, name: string, next: (error: Error) => void): void {
  response.sendFile(name, { root: folder, headers: { "Cache-Control": "no-cache" }, cacheControl: false }, (error) => {
    if (error) next(error);
  });
}
