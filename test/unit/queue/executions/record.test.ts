import { describe, expect, test } from "vitest";
import { execution } from "../../../../src/domain/result.ts";
import { decodeRecord, encodeEnd, endWithoutResult, type StoredExecution, toExecution } from "../../../../src/queue/executions/record.ts";
import { completedEnd } from "../../../support/fakes/fake-engine.ts";

const stored: StoredExecution = {
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
  attempt: 0,
  createdAt: 1_000,
  startedAt: null,
  completedAt: null,
  expiresAt: 9_000,
  trace: null,
  webhookId: "whd_1",
  end: null,
};

async function roundTrip(end: ReturnType<typeof completedEnd>) {
  const { body, zipped } = await encodeEnd(end);
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
  };
  const reply = [
    ...Object.entries(fields)
      .flat()
      .map((text) => Buffer.from(text)),
    Buffer.from("end"),
    body,
  ];
  return { zipped, decoded: await decodeRecord("org_a", reply) };
}

describe("the execution as callers see it", () => {
  test("is valid in every state, and never contains stdin, env or the webhook", () => {
    const ended = { ...stored, status: "completed", end: completedEnd(), startedAt: 1_005, completedAt: 1_010, attempt: 1 } as const;
    for (const one of [stored, { ...stored, status: "in_progress", attempt: 1, startedAt: 1_005 } as const, ended]) {
      const shown = toExecution(one);
      expect(execution.strict().safeParse(shown).error).toBeUndefined();
      expect(JSON.stringify(shown)).not.toContain("0123456789abcdef");
    }
    expect(toExecution(ended).usage?.queue_ms).toBe(5);
  });

  test("shows how long an execution waited that never started", () => {
    const end = endWithoutResult({ status: "errored", cause: "timeout", outcome: "never_started", retrySafe: true });
    const shown = toExecution({ ...stored, status: "errored", end, completedAt: 4_000 });
    expect(shown).toMatchObject({ started_at: null, retry_safe: true, outputs: [], usage: { queue_ms: 3_000 } });
  });
});

describe("a stored end", () => {
  test("is compressed beyond 64 KiB, and is decoded unchanged", async () => {
    const small = await roundTrip(completedEnd("x"));
    expect(small.zipped).toBe("0");
    expect(small.decoded?.end).toEqual(completedEnd("x"));
    const text = "ä\u{1F600}".repeat(40_000);
    const large = await roundTrip(completedEnd(text));
    expect(large.zipped).toBe("1");
    expect(large.decoded?.end).toEqual(completedEnd(text));
    expect(large.decoded).toMatchObject({ startedAt: 1_005, completedAt: 1_010, webhookId: null });
  });

  test("is null for an empty reply", async () => {
    expect(await decodeRecord("org_a", [])).toBeNull();
    expect(await decodeRecord("org_a", null)).toBeNull();
  });
});
