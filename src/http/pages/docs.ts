import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Express } from "express";

const require = createRequire(import.meta.url);
const assets = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"] as const;

/** No inline script and nothing from elsewhere: the page works offline. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  // Swagger UI writes style attributes into its markup.
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>code-interpreter API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const START = `SwaggerUIBundle({ url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null });\n`;

/** Adds the document and a page to read it with, under both prefixes the API is reached by. */
export function addDocs(app: Express, document: object): void {
  const text = JSON.stringify(document);
  const folder = dirname(require.resolve("swagger-ui-dist/package.json"));
  app.get(["/openapi.json", "/v1/openapi.json"], (_request, response) => {
    response.type("application/json").send(text);
  });
  app.get(["/docs", "/v1/docs"], (_request, response) => {
    response.setHeader("Content-Security-Policy", PAGE_POLICY);
    response.type("text/html").send(PAGE);
  });
  app.get("/docs/start.js", (_request, response) => {
    response.type("text/javascript").send(START);
  });
  for (const name of assets) {
    app.get(`/docs/${name}`, (_request, response, next) => {
      response.sendFile(join(folder, name), { headers: { "Cache-Control": "public, max-age=86400" }, cacheControl: false }, (error) => {
        if (error) next(error);
      });
    });
  }
}
