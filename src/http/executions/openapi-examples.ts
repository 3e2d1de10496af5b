/** Examples of the OpenAPI document. A test validates each one against its schema. */
const CODE = "principal = 10_000\nprint(f'${principal * 1.07 ** 20:,.2f}')";

export const requestExample = { code: CODE, timeout_ms: 10_000, metadata: { conversation: "42" } };

export const executionExample = {
  type: "code_interpreter_call",
  id: "ci_4x9p2m7k0q8r5t1v6w3y2z8a",
  status: "completed",
  cause: null,
  evidence: {},
  code: CODE,
  container_id: null,
  outputs: [{ type: "text", stream: "stdout", text: "$38,696.84" }],
  usage: {
    queue_ms: 2,
    acquire_ms: 1,
    run_ms: 9,
    collect_ms: 1,
    cpu_ms: 8,
    memory_peak_bytes: 41_943_040,
    stdout_bytes: 11,
    stderr_bytes: 0,
    file_bytes: 0,
    warm: true,
    engine: "docker",
  },
  truncated: { stdout: false, stderr: false, outputs: false, files: false },
  skipped_files: [],
  outcome: "ran",
  retry_safe: true,
  attempt: 1,
  created_at: 1_767_225_600,
  started_at: 1_767_225_600.003,
  completed_at: 1_767_225_600.013,
  expires_at: 1_767_312_000,
  metadata: { conversation: "42" },
};

/** The bytes of a file. */
export const fileBytes = "month,amount\nJanuary,1200\n";

export const fileExample = {
  id: "file_7h3n9k2m5p8q1r4t6v0w3x9z",
  object: "file",
  bytes: fileBytes.length,
  created_at: 1_767_225_600,
  expires_at: 1_767_312_000,
  filename: "sales.csv",
  purpose: "user_data",
  status: "processed",
  sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  mime_type: "text/csv",
  execution_id: null,
};

export const streamExample = [
  "id: 1767225600003-0",
  "event: execution.started",
  'data: {"type":"execution.started","attempt":1}',
  "",
  "id: 1767225600012-0",
  "event: execution.output",
  'data: {"type":"execution.output","output":{"type":"text","stream":"stdout","text":"$38,696.84\\n"}}',
  "",
  ": ping",
  "",
].join("\n");

export const toolOutputsExample = {
  outputs: [{ call_id: "call_0123456789abcdefghjkmnpq", output: { order_id: 7, total: 12.5 } }],
};
