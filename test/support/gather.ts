/** All bytes of what is lent chunk by chunk. */
export async function gather(lent: AsyncIterable<Uint8Array> | null): Promise<Buffer> {
  const copies: Buffer[] = [];
  for await (const chunk of lent ?? []) copies.push(Buffer.from(chunk));
  return Buffer.concat(copies);
}
