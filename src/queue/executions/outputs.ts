import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import type { Output } from "../../domain/outputs.ts";
import { StoredJson } from "../../domain/stored-json.ts";
import type { RedisClient } from "../../redis/address.ts";
import type { Turns } from "../../util/turns.ts";
import type { Keys } from "../core/keys.ts";
import { callRedis } from "../core/unavailable.ts";

/**
 * Large outputs are stored apart from the rest of the record, as JSON text in parts that are compressed one by one. So
 * reading a record costs the same for every result, and a reader of outputs holds one part at a time.
 */

/** Length of a part before compression. */
const PART_BYTES = 256 * 1024;

const gzipAsync = promisify(gzip);
const gunzipAsync = promisify(gunzip);

export interface StoredParts {
  /** Compressed, in order. */
  parts: Buffer[];
  /** Length of the whole text, before compression. */
  bytes: number;
}

/** Splits the JSON array of these outputs, each given as JSON. */
export async function encodeOutputs(outputs: readonly string[]): Promise<StoredParts> {
  const text = Buffer.from(`[${outputs.join(",")}]`, "utf8");
  const parts: Buffer[] = [];
  for (let at = 0; at < text.length; at += PART_BYTES) {
    parts.push(await gzipAsync(text.subarray(at, at + PART_BYTES), { level: 1 }));
  }
  return { parts, bytes: text.length };
}

export interface OutputsSource {
  redis: RedisClient;
  keys: Keys;
  /** Each part is read in a turn of the organization. */
  turns: Turns;
}

/** Outputs that `encodeOutputs` wrote. Reading them rejects when the execution is deleted or expires. */
export function storedOutputs(source: OutputsSource, of: { organization: string; id: string; bytes: number }): StoredJson<Output[]> {
  const { redis, keys, turns } = source;
  const { organization, id, bytes } = of;
  const key = keys.outputs(organization, id);
  const readPart = async (index: number) => {
    const part = (await callRedis(() => redis.callBuffer("LINDEX", key, index))) as Buffer | null;
    if (part === null) throw new Error("the outputs of an execution are gone");
    return gunzipAsync(part, { maxOutputLength: PART_BYTES });
  };
  return new StoredJson(bytes, async function* parts() {
    for (let index = 0, left = bytes; left > 0; index += 1) {
      const part = await turns.run(organization, () => readPart(index));
      left -= part.length;
      yield part;
    }
  });
}
