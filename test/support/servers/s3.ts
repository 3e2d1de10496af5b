import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import S3rver from "@20minutes/s3rver";
import { ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import type { S3Settings } from "../../../src/files/s3-store.ts";

/** An S3 server of a test's own, on a port the kernel chooses, with one bucket. */
export interface TestS3 {
  /** For a store; its prefix is the test's to choose. */
  readonly settings: Omit<S3Settings, "prefix">;
  /** Keys under a prefix, without it. */
  names(prefix: string): Promise<string[]>;
  put(key: string, body: string): Promise<void>;
  stop(): Promise<void>;
}

/** The one account that the server knows. */
const KEY = "S3RVER";
const BUCKET = "tests";

export async function startS3(): Promise<TestS3> {
  const directory = await mkdtemp(join(tmpdir(), "ci-s3-"));
  // It signs the path of a list of keys without its last slash, other than S3 and the SDK do, so only accounts are checked.
  const configureBuckets = [{ name: BUCKET, configs: [] }];
  const server = new S3rver({ address: "127.0.0.1", port: 0, silent: true, directory, allowMismatchedSignatures: true, configureBuckets });
  const { port } = await server.run();
  const endpoint = `http://127.0.0.1:${port}`;
  const credentials = { accessKeyId: KEY, secretAccessKey: KEY };
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials,
    requestChecksumCalculation: "WHEN_REQUIRED",
  });
  return {
    settings: { bucket: BUCKET, region: "us-east-1", endpoint, pathStyle: true, ...credentials },
    async names(prefix) {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix: prefix }));
      return Contents.map(({ Key = "" }) => Key.slice(prefix.length));
    },
    async put(key, body) {
      await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: body }));
    },
    async stop() {
      client.destroy();
      await server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
