import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { S3Client } from "@aws-sdk/client-s3";
import { ensureBlobId, isBlobId } from "./blob-id.ts";
import { type BlobStore, BlobStoreFailed, BlobTooLarge, type BorrowedChunks, type LinkHeaders } from "./store.ts";

export interface S3Settings {
  bucket: string;
  /** First part of every key. */
  prefix: string;
  region: string;
  /** For servers other than Amazon's. */
  endpoint?: string | undefined;
  /** Puts the bucket's name into the path instead of the host, as most self-hosted servers require. */
  pathStyle: boolean;
  /** When unset, the SDK uses its defaults: environment, files, the role of the machine or pod. */
  accessKeyId?: string | undefined;
  secretAccessKey?: string | undefined;
  /** Lifetime of links by which callers download from S3. When unset, downloads go through the service. */
  linkSeconds?: number | undefined;
}

/** The minimum part size of S3. A smaller blob is sent in one request. */
const PART_BYTES = 5 * 1024 * 1024;
/** Concurrent part uploads. With the part being filled, they are the memory of one upload. */
const PARTS_MAX = 2;
const DELETES_MAX = 8;
const CONNECT_MS_MAX = 2_000;
const ANSWER_MS_MAX = 30_000;
const SILENT_MS_MAX = 120_000;
const TRIES_MAX = 3;

/** Loads the SDK only when S3 is used. Sends no request yet. */
export async function openS3Store(settings: S3Settings): Promise<S3Store> {
  const [s3, { Upload }, { getSignedUrl }] = await Promise.all([
    import("@aws-sdk/client-s3"),
    import("@aws-sdk/lib-storage"),
    import("@aws-sdk/s3-request-presigner"),
  ]);
  const { region, endpoint, pathStyle, accessKeyId, secretAccessKey } = settings;
  const client = new s3.S3Client({
    region,
    forcePathStyle: pathStyle,
    maxAttempts: TRIES_MAX,
    // Other servers do not know the optional checksums of S3.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: {
      connectionTimeout: CONNECT_MS_MAX,
      requestTimeout: ANSWER_MS_MAX,
      throwOnRequestTimeout: true,
      socketTimeout: SILENT_MS_MAX,
    },
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(accessKeyId === undefined || secretAccessKey === undefined ? {} : { credentials: { accessKeyId, secretAccessKey } }),
  });
  return new S3Store({ ...s3, Upload, getSignedUrl }, client, settings);
}

type Sdk = Pick<typeof import("@aws-sdk/client-s3"), "DeleteObjectCommand" | "GetObjectCommand" | "ListObjectsV2Command" | "NoSuchKey"> & {
  Upload: typeof import("@aws-sdk/lib-storage").Upload;
  getSignedUrl: typeof import("@aws-sdk/s3-request-presigner").getSignedUrl;
};

/**
 * Blobs in a bucket, each under `<prefix><id>`. An object exists once its upload is complete. Parts of uploads whose process died
 * are invisible here; a lifecycle rule of the bucket removes them, see OPERATING.md.
 */
class S3Store implements BlobStore {
  readonly #sdk: Sdk;
  readonly #client: S3Client;
  readonly #settings: S3Settings;

  constructor(sdk: Sdk, client: S3Client, settings: S3Settings) {
    this.#sdk = sdk;
    this.#client = client;
    this.#settings = settings;
  }

  async put(id: string, source: AsyncIterable<Uint8Array>, bytesMax: number): Promise<{ bytes: number; sha256: string }> {
    const counted = new CountedSource(source, bytesMax);
    const upload = new this.#sdk.Upload({
      client: this.#client,
      params: { ...this.#place(id), Body: Readable.from(counted, { objectMode: false }), ContentType: "application/octet-stream" },
      partSize: PART_BYTES,
      queueSize: PARTS_MAX,
    });
    try {
      await upload.done();
    } catch (error) {
      // An error of the source is passed on; any other is a failure of S3.
      throw counted.failure ?? new BlobStoreFailed("a blob cannot be stored in S3", { cause: error });
    }
    return { bytes: counted.bytes, sha256: counted.sha256() };
  }

  async get(id: string, range?: { start: number; end: number }): Promise<BorrowedChunks | null> {
    const part = range === undefined ? {} : { Range: `bytes=${range.start}-${range.end}` };
    try {
      const { Body } = await this.#client.send(new this.#sdk.GetObjectCommand({ ...this.#place(id), ...part }));
      const body = Body as Readable;
      return { close: async () => void body.destroy(), [Symbol.asyncIterator]: () => body[Symbol.asyncIterator]() };
    } catch (error) {
      if (error instanceof this.#sdk.NoSuchKey) return null;
      if (error instanceof RangeError) throw error;
      throw new BlobStoreFailed("a blob cannot be read from S3", { cause: error });
    }
  }

  async delete(id: string): Promise<void> {
    const place = this.#place(id);
    await asStoreFailure(() => this.#client.send(new this.#sdk.DeleteObjectCommand(place)));
  }

  async sweep(olderThanMs: number): Promise<number> {
    const { bucket: Bucket, prefix: Prefix } = this.#settings;
    const before = Date.now() - olderThanMs;
    let deleted = 0;
    let from: string | undefined;
    do {
      const page = await asStoreFailure(() =>
        this.#client.send(
          new this.#sdk.ListObjectsV2Command({ Bucket, Prefix, ...(from === undefined ? {} : { ContinuationToken: from }) }),
        ),
      );
      const old = (page.Contents ?? []).filter(
        ({ Key = "", LastModified }) => isBlobId(Key.slice(Prefix.length)) && LastModified !== undefined && LastModified.getTime() < before,
      );
      // Single deletes, because servers differ in the checksum that they require for a batch.
      for (let at = 0; at < old.length; at += DELETES_MAX) {
        const some = old.slice(at, at + DELETES_MAX);
        await Promise.all(
          some.map(({ Key }) => asStoreFailure(() => this.#client.send(new this.#sdk.DeleteObjectCommand({ Bucket, Key })))),
        );
      }
      deleted += old.length;
      from = page.NextContinuationToken;
    } while (from !== undefined);
    return deleted;
  }

  async link(id: string, headers: LinkHeaders): Promise<string | null> {
    const { linkSeconds } = this.#settings;
    if (linkSeconds === undefined) return null;
    const command = new this.#sdk.GetObjectCommand({
      ...this.#place(id),
      ResponseContentType: headers.contentType,
      ResponseContentDisposition: headers.contentDisposition,
      ResponseCacheControl: headers.cacheControl,
    });
    return asStoreFailure(() => this.#sdk.getSignedUrl(this.#client, command, { expiresIn: linkSeconds }));
  }

  #place(id: string): { Bucket: string; Key: string } {
    return { Bucket: this.#settings.bucket, Key: this.#settings.prefix + ensureBlobId(id) };
  }
}

/** Counts and hashes the bytes of a source, and records its error. */
class CountedSource implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #bytesMax: number;
  readonly #hash = createHash("sha256");
  bytes = 0;
  failure: unknown;

  constructor(source: AsyncIterable<Uint8Array>, bytesMax: number) {
    this.#source = source;
    this.#bytesMax = bytesMax;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    // The reader may throw into this generator when it aborts. That is not an error of the source.
    let isReaderActive = false;
    try {
      for await (const chunk of this.#source) {
        this.bytes += chunk.byteLength;
        if (this.bytes > this.#bytesMax) throw new BlobTooLarge(`more than ${this.#bytesMax} bytes`);
        this.#hash.update(chunk);
        isReaderActive = true;
        yield chunk;
        isReaderActive = false;
      }
    } catch (error) {
      if (!isReaderActive) this.failure = error;
      throw error;
    }
  }

  sha256(): string {
    return this.#hash.digest("hex");
  }
}

async function asStoreFailure<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new BlobStoreFailed("S3 cannot be used", { cause: error });
  }
}
