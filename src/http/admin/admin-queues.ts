import { createBullBoard } from "@bull-board/api";
import { ExpressAdapter } from "@bull-board/express";
import type { Express, Request, RequestHandler, Response } from "express";
import { ServiceError } from "../../domain/errors.ts";
import { audit } from "../../observe/audit.ts";
import { callerOf, requireScope } from "../core/auth.ts";
import type { AppDeps } from "../core/deps.ts";

const BASE = "/admin/queues";

/** The page brings its own scripts and styles, and nothing comes from elsewhere. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  // Its components set style attributes.
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "font-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** What may be changed here: whether a queue gives out jobs. Jobs themselves belong to their records. */
const CHANGE = /^\/api\/queues\/(?:(executions|webhooks)\/)?(pause|resume)$/;

/**
 * Adds the page of the queues for people on call, behind a key with the scope `admin`. A browser asks for it and sends it
 * as the password of HTTP Basic, with any name.
 */
export function addAdminQueues(app: Express, deps: AppDeps, checks: readonly RequestHandler[]): void {
  const adapter = new ExpressAdapter();
  adapter.setBasePath(BASE);
  const board = createBullBoard({
    queues: [],
    serverAdapter: adapter,
    options: {
      uiConfig: { boardTitle: "code-interpreter", hideDocsLink: true, hideRedisDetails: true, showWorkers: false },
    },
  });
  app.use(BASE, askBrowser, keyFromPassword, ...checks, auditRefusedScope(deps), requireScope("admin"), sameOrigin(deps), guard(deps));
  const page = adapter.getRouter() as Express;
  page.disable("x-powered-by");
  page.disable("etag");
  leaveOutForeignLinks(page);
  // Workers that have sessions come and go.
  app.use(`${BASE}/api`, async (_request, _response, next) => {
    board.replaceQueues(await deps.boardQueues());
    next();
  });
  app.use(BASE, page);
}

type Render = (path: string, options: object, done: (error: Error | null, html?: string) => void) => void;

/** The page names a font on another site; the system's own takes its place. */
function leaveOutForeignLinks(page: Express): void {
  const { ".ejs": render } = (page as unknown as { engines: { ".ejs": Render } }).engines;
  page.engine("ejs", (path, options, done) => {
    render(path, options, (error, html) => done(error, html?.replace(/<link href="https:[^>]*>/g, "")));
  });
}

/** So that a browser asks for a key where a program is told that it sent none. */
const askBrowser: RequestHandler = (_request, response, next) => {
  response.setHeader("WWW-Authenticate", 'Basic realm="code-interpreter queues: a key with the scope admin as password", charset="UTF-8"');
  response.setHeader("Content-Security-Policy", PAGE_POLICY);
  next();
};

/** The password of HTTP Basic stands for the key; whatever else was sent is left to the common check. */
const keyFromPassword: RequestHandler = (request, _response, next) => {
  const sent = request.headersDistinct.authorization ?? [];
  const basic = /^Basic +([A-Za-z0-9+/=]{1,1024}) *$/i.exec(sent[0] ?? "");
  if (sent.length === 1 && basic !== null) {
    const pair = Buffer.from(basic[1] as string, "base64").toString("utf8");
    request.headersDistinct.authorization = [`Bearer ${pair.slice(pair.indexOf(":") + 1)}`];
  }
  next();
};

function auditRefusedScope({ log }: AppDeps): RequestHandler {
  return (_request, response, next) => {
    if (!callerOf(response).scopes.has("admin"))
      audit(log, { action: "queues.opened", outcome: "refused", actor: actorOf(response), target: null });
    next();
  };
}

/** A browser sends the password with every request to here, whichever page made it: only our own page may change things. */
function sameOrigin({ publicUrl }: AppDeps): RequestHandler {
  return (request, _response, next) => {
    if (isReading(request)) return next();
    const { origin, host } = request.headers;
    const site = request.get("sec-fetch-site");
    const own = [host, publicUrl === undefined ? undefined : new URL(publicUrl).host];
    const foreign = origin !== undefined && !(URL.canParse(origin) && own.includes(new URL(origin).host));
    if (foreign || (site !== undefined && site !== "same-origin")) {
      throw new ServiceError("origin_not_allowed", { detail: `Queues are changed from ${BASE} alone.` });
    }
    next();
  };
}

/** Keeps to what may be changed, and writes down who did. */
function guard({ log }: AppDeps): RequestHandler {
  return (request, response, next) => {
    // It is set for every answer, and browsers take it as a question only with a 401.
    response.removeHeader("WWW-Authenticate");
    const actor = actorOf(response);
    if (isReading(request)) {
      if (request.path === "/") audit(log, { action: "queues.opened", outcome: "done", actor, target: null });
      return next();
    }
    const change = request.method === "PUT" ? CHANGE.exec(request.path) : null;
    if (change === null) {
      audit(log, { action: "queues.changed", outcome: "refused", actor, target: null });
      throw new ServiceError("method_not_allowed", { detail: "Queues can be paused and resumed here; jobs are shown only." });
    }
    const target = `${change[1] ?? "all"}:${change[2]}`;
    response.once("finish", () =>
      audit(log, { action: "queues.changed", outcome: response.statusCode < 400 ? "done" : "refused", actor, target }),
    );
    next();
  };
}

function isReading({ method }: Request): boolean {
  return method === "GET" || method === "HEAD";
}

function actorOf(response: Response) {
  const { keyId, organization } = callerOf(response);
  return { key: keyId, organization };
}
