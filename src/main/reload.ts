import { readFileSync } from "node:fs";
import { isDeepStrictEqual, parseEnv } from "node:util";
import type { Log } from "../observe/log.ts";
import { type Config, ConfigError, readConfig } from "./config.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What a running process takes over. All other settings need a restart. */
const reloadable = ["LOG_LEVEL", "requestsPerMinutePerKeyMax"];

/** The configuration of the environment and of SETTINGS_FILE. Throws ConfigError. */
export function readSettings(environment: Environment): Config {
  const path = environment.SETTINGS_FILE;
  if (path === undefined || path === "") return readConfig(environment);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfigError(`SETTINGS_FILE: ${(error as Error).message}`, { cause: error });
  }
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value !== ""));
  return readConfig({ ...parseEnv(text), ...set });
}

/** The parts of a process that take over settings and files while it runs. */
export class Reloads {
  readonly #log: Log;
  readonly #environment: Environment;
  readonly #takers = new Set<(config: Config) => void>();
  #config: Config;

  constructor(config: Config, environment: Environment, log: Log) {
    this.#config = config;
    this.#environment = environment;
    this.#log = log;
  }

  /** `take` gets the configuration at each reload, also when it is the same: files may have changed. */
  add(take: (config: Config) => void): void {
    this.#takers.add(take);
  }

  /** Never throws: wrong settings leave everything as it is. */
  reload(): void {
    let next: Config;
    try {
      next = readSettings(this.#environment);
    } catch (error) {
      this.#log.error({ err: error }, "the settings are wrong and were not reloaded");
      return;
    }
    const waiting = changedBetween(this.#config, next).filter((name) => !reloadable.includes(name));
    this.#log.level = next.LOG_LEVEL;
    for (const take of this.#takers) take(next);
    this.#config = next;
    this.#log.info({ reloaded: [...reloadable, "keys", "receipt keys", "MCP servers"], needRestart: waiting }, "settings reloaded");
  }
}

/** Names of settings and limits that differ. */
function changedBetween(before: Config, after: Config): string[] {
  const flat = ({ limits, ...rest }: Config) => new Map<string, unknown>([...Object.entries(rest), ...Object.entries(limits)]);
  const old = flat(before);
  return [...flat(after)].filter(([name, value]) => !isDeepStrictEqual(old.get(name), value)).map(([name]) => name);
}
