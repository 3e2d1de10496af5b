/** Copies all chunks of a stream; borrowed chunks are valid only until the next read. */
export async function gather(lent: AsyncIterable<Uint8Array> | null): Promise<Buffer> {
  const copies: Buffer[] = [];
  for await (const chunk of lent ?? []) copies.push(Buffer.from(chunk));
  return Buffer.concat(copies);
}
