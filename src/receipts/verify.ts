import { compactVerify, createLocalJWKSet, errors, type JSONWebKeySet } from "jose";
import { RECEIPT_TYPE, type Receipt, receipt } from "./receipt.ts";

/** Why a receipt is not genuine; the message is for the person who verifies it. */
export class NotGenuine extends Error {
  override name = "NotGenuine";
}

/** Verifies the signature with the keys and resolves with the receipt. Rejects with NotGenuine. Works offline. */
export async function verifyReceipt(jws: string, keys: unknown): Promise<Receipt> {
  const set = keySet(keys);
  let payload: Uint8Array;
  try {
    const verified = await compactVerify(jws.trim(), createLocalJWKSet(set), { algorithms: ["EdDSA"] });
    if (verified.protectedHeader.typ !== RECEIPT_TYPE) throw new NotGenuine("it is signed, but it is not a receipt");
    ({ payload } = verified);
  } catch (error) {
    if (error instanceof NotGenuine) throw error;
    if (error instanceof errors.JWKSNoMatchingKey) throw new NotGenuine("none of these keys signed it", { cause: error });
    if (error instanceof errors.JWSSignatureVerificationFailed)
      throw new NotGenuine("the signature does not match the content", { cause: error });
    throw new NotGenuine("it is not a signed receipt", { cause: error });
  }
  const parsed = receipt.safeParse(JSON.parse(Buffer.from(payload).toString("utf8")));
  if (!parsed.success) throw new NotGenuine("this version cannot read its format");
  return parsed.data;
}

function keySet(keys: unknown): JSONWebKeySet {
  if (typeof keys === "object" && keys !== null && Array.isArray((keys as { keys?: unknown }).keys)) return keys as JSONWebKeySet;
  throw new NotGenuine("the keys must be a JWK set, as returned by /v1/receipt-keys");
}
