const used = {
  executions: { completed: 40, failed: 2, incomplete: 1, cancelled: 0, errored: 0 },
  cpu_seconds: 12.4,
  bytes_in: 20_480,
  bytes_out: 40_960,
};
const message = {
  type: "message",
  id: "msg_4x9p2m7k0q8r5t1v6w3y2z8a",
  role: "user",
  status: "completed",
  content: [{ type: "input_text", text: "Which month sold most?" }],
};
const apiKey = {
  object: "admin.key",
  id: "key_4x9p2m7k0q8r5t1v6w3y2z8a",
  organization: "org_acme",
  scopes: ["execute", "read"],
  name: null,
  created_at: 1_764_000_000,
  expires_at: null,
  last_used_at: 1_764_500_000,
  limits: { sessions: 5, timeout_ms: 10_000 },
};
const alive = { status: "ok" };
const ready = { status: "ready", checks: { redis: true, accepting: true } };
const document = { openapi: "3.1.0" };

interface DescribedOperation {
  id: string;
  description?: string;
  /** Of the answer, where its schema has no example of its own. */
  example?: unknown;
}

/**
 * Ids of the operations, from which generators make names of functions, and descriptions of those whose summary does not say all.
 * Operations that state them where they are defined are not here.
 */
export const describedOperations: Readonly<Record<string, DescribedOperation>> = {
  "post /v1/executions": { id: "createExecution" },
  "get /v1/executions": { id: "listExecutions", description: "Of the organization, the newest first by default." },
  "get /v1/executions/{id}": { id: "getExecution", description: "Its current state: queued, in progress, or its result." },
  "delete /v1/executions/{id}": { id: "deleteExecution" },
  "get /v1/executions/{id}/events": { id: "streamExecutionEvents" },
  "post /v1/executions/{id}/tool_outputs": { id: "answerToolCalls" },
  "post /v1/executions/{id}/cancel": { id: "cancelExecution" },
  "get /v1/executions/{id}/receipt": { id: "getExecutionReceipt" },
  "post /v1/files": { id: "createFile" },
  "get /v1/files": { id: "listFiles", description: "Uploads and output files of the organization, the newest first by default." },
  "get /v1/files/{id}": { id: "getFile", description: "Its name, size, hash and expiry." },
  "delete /v1/files/{id}": { id: "deleteFile", description: "Record and bytes. Executions that used it keep their results." },
  "get /v1/files/{id}/content": { id: "getFileContent" },
  "post /v1/containers": { id: "createContainer" },
  "get /v1/containers": { id: "listContainers", description: "Also expired and lost ones, until their records expire." },
  "get /v1/containers/{id}": { id: "getContainer" },
  "delete /v1/containers/{id}": { id: "deleteContainer", description: "Ends its sandbox; what runs in it is cancelled." },
  "post /v1/containers/{id}/files": { id: "createContainerFile" },
  "get /v1/containers/{id}/files": { id: "listContainerFiles" },
  "get /v1/containers/{id}/files/{file_id}": { id: "getContainerFile", description: "Its path and size." },
  "delete /v1/containers/{id}/files/{file_id}": { id: "deleteContainerFile" },
  "get /v1/containers/{id}/files/{file_id}/content": { id: "getContainerFileContent" },
  "post /v1/responses": { id: "createResponse" },
  "get /v1/responses/{id}": { id: "getResponse", description: "With `stream=true` its events, from the start or after `starting_after`." },
  "delete /v1/responses/{id}": { id: "deleteResponse" },
  "post /v1/responses/{id}/cancel": { id: "cancelResponse" },
  "get /v1/responses/{id}/input_items": {
    id: "listResponseInputItems",
    description: "Without the items of earlier responses.",
    example: { object: "list", data: [message], has_more: false, first_id: message.id, last_id: message.id },
  },
  "post /v1/assistants": { id: "createAssistant" },
  "get /v1/assistants": { id: "listAssistants", description: "Of the organization, the newest first by default." },
  "get /v1/assistants/{id}": { id: "getAssistant", description: "Its stored defaults." },
  "post /v1/assistants/{id}": { id: "updateAssistant" },
  "delete /v1/assistants/{id}": { id: "deleteAssistant", description: "Responses that used it are kept." },
  "get /v1/models": { id: "listModels", description: "Empty when the operator has configured none." },
  "get /v1/usage": {
    id: "getUsage",
    example: {
      object: "usage",
      organization: "org_acme",
      from: "2026-01-01",
      to: "2026-01-01",
      data: [{ date: "2026-01-01", ...used }],
      total: used,
    },
  },
  "get /v1/admin/usage": {
    id: "getTopUsage",
    example: {
      object: "admin.usage",
      date: "2026-01-01",
      by: "executions",
      data: [{ organization: "org_acme", executions: 43, cpu_seconds: 12.4, bytes: 61_440, refused: 2 }],
    },
  },
  "get /v1/admin/keys": { id: "listKeys", example: { object: "list", data: [apiKey] } },
  "post /v1/admin/keys/{id}/rotate": {
    id: "rotateKey",
    example: { ...apiKey, key: `ci_sk_${"4x9p2m7k0q8r5t1v6w3y2z8a"}_${"0".repeat(64)}` },
  },
  "post /v1/admin/keys/{id}/expire": { id: "expireKey", example: { ...apiKey, expires_at: 1_770_000_000 } },
  "get /v1/receipt-keys": {
    id: "getReceiptKeys",
    example: {
      keys: [{ kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", kid: "2026-01", alg: "EdDSA", use: "sig" }],
    },
  },
  "get /health/live": { id: "isAlive", description: "For supervisors: answers as long as the process runs. Needs no key.", example: alive },
  "get /health/ready": {
    id: "isReady",
    description: "For load balancers: whether this process can take work. Needs no key.",
    example: ready,
  },
  "get /openapi.json": { id: "getOpenApi", description: "Needs no key.", example: document },
  "get /v1/health/live": { id: "isAliveV1", description: "The same as /health/live.", example: alive },
  "get /v1/health/ready": { id: "isReadyV1", description: "The same as /health/ready.", example: ready },
  "get /v1/openapi.json": { id: "getOpenApiV1", description: "The same as /openapi.json.", example: document },
  "get /v1/packages": {
    id: "listPackages",
    example: {
      object: "packages",
      variant: "default",
      python: "3.13.5",
      packages: [{ name: "scikit-learn", version: "1.6.1", modules: ["sklearn"] }],
    },
  },
};
