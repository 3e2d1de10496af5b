import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { execution } from "../../../../src/domain/result.ts";
import { RECORD_VERSION } from "../../../../src/queue/core/version.ts";
import {
  decodeRecord,
  encodeEnd,
  endWithoutResult,
  type StoredExecution,
  withoutOutputs,
} from "../../../../src/queue/executions/record.ts";
import { completedEnd } from "../../../support/fakes/fake-engine.ts";

const stored: StoredExecution = {
  version: RECORD_VERSION,
  id: "ci_1",
  organization: "org_a",
  status: "queued",
  request: {
    code: "1",
    files: [],
    args: [],
    stdin: "",
    env: {},
    timeout_ms: 1,
    memory_mb: 64,
    priority: "normal",
    metadata: { a: "b" },
    webhook: { url: "https://example.com/", secret: "0123456789abcdef" },
  },
  files: [],
  servers: [],
  attempt: 0,
  createdAt: 1_000,
  startedAt: null,
  completedAt: null,
  expiresAt: 9_000,
  trace: null,
  webhookId: "whd_1",
  end: null,
  outputsBytes: 0,
};

async function roundTrip(end: ReturnType<typeof completedEnd>, version: number) {
  const { body, zipped, parts, outputsBytes } = await encodeEnd(end, version);
  const fields = {
    id: "ci_1",
    status: end.status,
    request: JSON.stringify(stored.request),
    files: "[]",
    attempt: "1",
    created_at: "1000",
    started_at: "1005",
    completed_at: "1010",
    expires_at: "9000",
    webhook_id: "",
    end_zipped: zipped,
    outputs_bytes: String(outputsBytes),
    v: String(version),
  };
  const reply = [
    ...Object.entries(fields)
      .flat()
      .map((text) => Buffer.from(text)),
    Buffer.from("end"),
    body,
  ];
  return { zipped, parts, decoded: await decodeRecord("org_a", reply) };
}

describe("the execution as callers see it", () => {
  test("is valid in every state, and never contains stdin, env or the webhook", () => {
    const ended = { ...stored, status: "completed", end: completedEnd(), startedAt: 1_005, completedAt: 1_010, attempt: 1 } as const;
    for (const one of [stored, { ...stored, status: "in_progress", attempt: 1, startedAt: 1_005 } as const, ended]) {
      const shown = { ...withoutOutputs(one), outputs: one.end?.outputs ?? [] };
      expect(execution.strict().safeParse(shown).error).toBeUndefined();
      expect(JSON.stringify(shown)).not.toContain("0123456789abcdef");
    }
    expect(withoutOutputs(ended).usage?.queue_ms).toBe(5);
  });

  test("shows how long an execution waited that never started", () => {
    const end = endWithoutResult({ status: "errored", cause: "timeout", outcome: "never_started", retrySafe: true });
    const shown = withoutOutputs({ ...stored, status: "errored", end, completedAt: 4_000 });
    expect(shown).toMatchObject({ started_at: null, retry_safe: true, usage: { queue_ms: 3_000 } });
  });
});

describe("a stored end", () => {
  const text = "ä\u{1F600}".repeat(400_000);

  test("of usual size is decoded unchanged", async () => {
    const { zipped, parts, decoded } = await roundTrip(completedEnd("x"), RECORD_VERSION);
    expect([zipped, parts]).toEqual(["0", []]);
    expect(decoded?.end).toEqual(completedEnd("x"));
  });

  test("beyond 64 KiB has its outputs apart, in compressed parts of bounded length", async () => {
    const end = completedEnd(text);
    const { zipped, parts, decoded } = await roundTrip(end, RECORD_VERSION);
    expect(zipped).toBe("0");
    expect(decoded?.end).toEqual({ ...end, outputs: [] });
    expect(decoded).toMatchObject({ startedAt: 1_005, completedAt: 1_010, webhookId: null });
    const plain = parts.map((part) => gunzipSync(part));
    expect(Math.max(...plain.map((part) => part.length))).toBeLessThanOrEqual(256 * 1024);
    const json = Buffer.concat(plain);
    expect(json.length).toBe(decoded?.outputsBytes);
    expect(JSON.parse(json.toString("utf8"))).toEqual(end.outputs);
  });

  test("for a process of version 1 is one compressed text, as that version reads it", async () => {
    const { zipped, parts, decoded } = await roundTrip(completedEnd(text), 1);
    expect([zipped, parts]).toEqual(["1", []]);
    expect(decoded?.end).toEqual(completedEnd(text));
  });

  test("is null for an empty reply", async () => {
    expect(await decodeRecord("org_a", [])).toBeNull();
    expect(await decodeRecord("org_a", null)).toBeNull();
  });
});
