import { crc32, deflateRawSync, deflateSync } from "node:zlib";

/** Hostile input files, created on first use. */
const makers: Record<string, () => Buffer> = {
  text: () => Buffer.from("text\n"),
  "zip-bomb": zipBomb,
  "image-bomb": imageBomb,
};

const made = new Map<string, Buffer>();

export function attackInput(kind: string): Buffer {
  const maker = makers[kind];
  if (maker === undefined) throw new RangeError(`no such input: ${kind}`);
  const bytes = made.get(kind) ?? maker();
  made.set(kind, bytes);
  return bytes;
}

/** 64 files of 64 MiB in 4 MiB. */
function zipBomb(): Buffer {
  const zeros = Buffer.alloc(64 << 20);
  const packed = deflateRawSync(zeros);
  const checksum = crc32(zeros);
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (let number = 0; number < 64; number++) {
    const name = Buffer.from(`zeros-${number}`);
    const sizes = Buffer.alloc(26);
    sizes.writeUInt16LE(20, 0);
    sizes.writeUInt16LE(8, 4);
    sizes.writeUInt32LE(checksum, 10);
    sizes.writeUInt32LE(packed.length, 14);
    sizes.writeUInt32LE(zeros.length, 18);
    sizes.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), sizes, name, packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from("PK\x01\x02"), Buffer.from([20, 0]), sizes, tail, name]));
    parts.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(directory.length, 4);
  end.writeUInt16LE(directory.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, central, Buffer.from("PK\x05\x06"), end]);
}

/** A black and white PNG of 32,000 × 32,000 pixels: an eighth of a gigabyte as bits, four gigabytes as colours. */
function imageBomb(): Buffer {
  const side = 32_000;
  const head = Buffer.alloc(13);
  head.writeUInt32BE(side, 0);
  head.writeUInt32BE(side, 4);
  head.writeUInt8(1, 8);
  const pixels = deflateSync(Buffer.alloc(side * (1 + side / 8)));
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    pngChunk("IHDR", head),
    pngChunk("IDAT", pixels),
    pngChunk("IEND", Buffer.alloc(0)),
  ]);
}

function pngChunk(kind: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(kind), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, checksum]);
}
