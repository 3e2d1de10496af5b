import { Readable } from "node:stream";
import type { Container } from "dockerode";
import type { BenchContext } from "./context.ts";

const FOLDER = "/tmp";
const BLOCK = 512;

/** A running container without lockdown: the engine copies neither into a read-only root nor into a tmpfs. */
export async function ordinaryContainer(context: BenchContext): Promise<Container> {
  const container = await context.engine.control.createContainer({
    Image: context.image,
    Entrypoint: ["/bin/sleep", "900"],
    HostConfig: { NetworkMode: "none" },
  });
  await container.start();
  return container;
}

/** What `docker cp` does: a tar archive through the API. */
export async function copyIn(container: Container, name: string, bytes: Buffer): Promise<void> {
  const padding = Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK);
  const end = Buffer.alloc(2 * BLOCK);
  await container.putArchive(Readable.from([tarHeader(name, bytes.length), bytes, padding, end]), { path: FOLDER });
}

export async function copyOut(container: Container, name: string): Promise<number> {
  let length = 0;
  for await (const chunk of await container.getArchive({ path: `${FOLDER}/${name}` })) length += chunk.length;
  return length;
}

/** Varying bytes, so that nothing on the way can treat them as a sparse region. */
export function bytesOf(size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  for (let at = 0; at < size; at += 4) bytes.writeUInt32LE((at * 2_654_435_761) % 2 ** 32, at);
  return bytes;
}

/** The header of one regular file, in the format of POSIX.1-1988. */
function tarHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
  header.write(name, 0);
  header.write(octal(0o644, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(size, 11), 124);
  header.write(octal(0, 11), 136);
  header.write(" ".repeat(8), 148);
  header.write("0", 156);
  header.write("ustar\x0000", 257, "latin1");
  header.write(
    `${octal(
      header.reduce((sum, byte) => sum + byte, 0),
      6,
    )} `,
    148,
    "latin1",
  );
  return header;
}
