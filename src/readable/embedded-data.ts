import { sizeText } from "./size.ts";

/** A shorter text is no burden, and may be a word. */
const BASE64_CHARS_MIN = 1_000;
const DATA_URI = /data:([a-z0-9.+-]{1,100}\/[a-z0-9.+-]{1,100})?(?:;[a-z0-9=._-]{1,100}){0,5};base64,([a-z0-9+/=_%\s\\-]*)/gi;
const BASE64 = /^[A-Za-z0-9+/_\s-]+={0,2}$/;

/** Replaces the base64 of data URIs by a name of its type and size: `data:audio/wav, 15.7 kB`. */
export function nameDataUris(text: string): string {
  if (!text.includes(";base64,")) return text;
  return text.replace(
    DATA_URI,
    (_, type: string | undefined, data: string) => `data:${type ?? "text/plain"}, ${sizeText(decodedBytes(data))}`,
  );
}

/** Names a string of JSON that is nothing but base64; null for all other strings. */
export function base64Name(text: string): string | null {
  return text.length >= BASE64_CHARS_MIN && BASE64.test(text.trimEnd()) ? `[base64, ${sizeText(decodedBytes(text))}]` : null;
}

export function decodedBytes(base64: string): number {
  return Math.floor((base64.replace(/[\s\\=]/g, "").length * 3) / 4);
}
