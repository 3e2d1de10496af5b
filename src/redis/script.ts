import { createHash } from "node:crypto";
import type { RedisClient } from "./address.ts";

export type ScriptValue = string | number | Buffer;
/** A reply of Redis, with strings as buffers. */
export type ScriptReply = Buffer | number | null | ScriptReply[];

export interface ScriptDefinition<Name extends string, Reply> {
  /** Lua with shared functions, put before the script. */
  prelude?: string;
  /** Arguments by name. In Lua each is a local of that name in snake_case: `requestJson` is `request_json`. */
  args: readonly Name[];
  /** Uses the arguments as those locals. Further arguments are `ARGV[rest]` to `ARGV[#ARGV]`. */
  lua: string;
  reply: (reply: ScriptReply) => Reply;
}

/**
 * A Lua script with named arguments and a typed reply. Redis receives its hash, and the source only when the hash is
 * unknown.
 */
export class Script<Name extends string, Reply> {
  readonly #args: readonly Name[];
  readonly #source: string;
  readonly #hash: string;
  readonly #reply: (reply: ScriptReply) => Reply;

  constructor({ prelude = "", args, lua, reply }: ScriptDefinition<Name, Reply>) {
    const locals = args.map((name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
    const values = args.map((_, index) => `ARGV[${index + 1}]`);
    const named = args.length === 0 ? "" : `local ${locals.join(", ")} = ${values.join(", ")}\n`;
    this.#args = args;
    this.#source = `${prelude}\n${named}local rest = ${args.length + 1}\n${lua}`;
    this.#hash = createHash("sha1").update(this.#source).digest("hex");
    this.#reply = reply;
  }

  /** `base` is KEYS[1]. Rejects with the error reply of Redis. */
  async run(
    redis: RedisClient,
    base: string,
    args: Readonly<Record<Name, ScriptValue>>,
    rest: readonly ScriptValue[] = [],
  ): Promise<Reply> {
    const values = [...this.#args.map((name) => args[name]), ...rest];
    return this.#reply(await this.#send(redis, base, values));
  }

  async #send(redis: RedisClient, base: string, values: readonly ScriptValue[]): Promise<ScriptReply> {
    try {
      return (await redis.callBuffer("EVALSHA", this.#hash, 1, base, ...values)) as ScriptReply;
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
      return (await redis.callBuffer("EVAL", this.#source, 1, base, ...values)) as ScriptReply;
    }
  }
}

/** Decoders of replies. */
export const asNothing = (): void => undefined;
export const asNumber = (reply: ScriptReply): number => Number(reply);
export const asFlag = (reply: ScriptReply): boolean => Number(reply) === 1;
export const asTexts = (reply: ScriptReply): string[] => (reply as ScriptReply[]).map(String);
export const asTextOrNull = (reply: ScriptReply): string | null => (reply === null ? null : String(reply));
