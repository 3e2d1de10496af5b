import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Printed to the user without a stack. */
export class CliError extends Error {
  override name = "CliError";
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Exit codes of the command line itself; `exit-code.ts` has those for the program's end. */
export const EXIT_USAGE = 2;
export const EXIT_SERVICE = 125;

type Environment = Readonly<Record<string, string | undefined>>;

export interface Service {
  /** Without a trailing slash. */
  url: string;
  key: string;
}

/** Address and key of the service: from options, then the environment, then the files of `npm start` in the data folder. */
export function serviceFrom(options: { url?: string; key?: string }, environment: Environment): Service {
  const key = options.key ?? (environment.CODE_INTERPRETER_KEY || savedSetting(environment, "key"));
  if (!key) {
    throw new CliError("No API key: set CODE_INTERPRETER_KEY, use --key, or start the service here with: npm start", EXIT_USAGE);
  }
  return { url: urlFrom(options, environment), key };
}

export function urlFrom(options: { url?: string }, environment: Environment): string {
  const url = options.url ?? (environment.CODE_INTERPRETER_URL || savedSetting(environment, "url") || "http://127.0.0.1:8080");
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new CliError(`The service's address must start with http:// or https:// (is ${JSON.stringify(url)})`, EXIT_USAGE);
  }
  return url.replace(/\/+$/, "").replace(/\/v1$/, "");
}

/** The data folder of the service that is started from this package. */
export function dataFolder(environment: Environment): string {
  return environment.DATA_DIR ? resolve(environment.DATA_DIR) : fileURLToPath(new URL("../../data", import.meta.url));
}

function savedSetting(environment: Environment, name: string): string {
  const file = resolve(dataFolder(environment), name);
  return existsSync(file) ? readFileSync(file, "utf8").trim() : "";
}
