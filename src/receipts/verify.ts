import { compactVerify, createLocalJWKSet, errors, type JSONWebKeySet } from "jose";
import { RECEIPT_TYPE, type Receipt, receipt } from "./receipt.ts";

/** Why a receipt is not to be believed, in words for whoever holds it. */
export class NotGenuine extends Error {
  override name = "NotGenuine";
}

/** What a receipt says, once its signature is proven by one of the keys. Rejects with NotGenuine. Needs no service. */
export async function verifyReceipt(jws: string, keys: unknown): Promise<Receipt> {
  const set = keySet(keys);
  let payload: Uint8Array;
  try {
    const verified = await compactVerify(jws.trim(), createLocalJWKSet(set), { algorithms: ["EdDSA"] });
    if (verified.protectedHeader.typ !== RECEIPT_TYPE) throw new NotGenuine("it is signed, but is no receipt");
    ({ payload } = verified);
  } catch (error) {
    if (error instanceof NotGenuine) throw error;
    if (error instanceof errors.JWKSNoMatchingKey) throw new NotGenuine("it is signed with none of these keys", { cause: error });
    if (error instanceof errors.JWSSignatureVerificationFailed)
      throw new NotGenuine("the signature does not fit what it says", { cause: error });
    throw new NotGenuine("it can not be read as a signed receipt", { cause: error });
  }
  const parsed = receipt.safeParse(JSON.parse(Buffer.from(payload).toString("utf8")));
  if (!parsed.success) throw new NotGenuine("it is of a version that is not known here");
  return parsed.data;
}

function keySet(keys: unknown): JSONWebKeySet {
  if (typeof keys === "object" && keys !== null && Array.isArray((keys as { keys?: unknown }).keys)) return keys as JSONWebKeySet;
  throw new NotGenuine("the keys must be a JWK set, as /v1/receipt-keys answers it");
}
