import { once } from "node:events";
import type { AddressInfo } from "node:net";
import express from "express";
import { expect, test } from "vitest";
import { catalogue, type ErrorCode, errorCodes, ServiceError } from "../../../../src/domain/errors.ts";
import { BlobStoreFailed } from "../../../../src/files/store.ts";
import { answerError, serviceErrorOf } from "../../../../src/http/core/answer-error.ts";
import { requestId } from "../../../../src/http/core/request-id.ts";
import { makeLog } from "../../../../src/observe/log.ts";

/** Written out, so that no code, status or title changes by accident. */
const promised: Array<[ErrorCode, number, string]> = [
  ["malformed_json", 400, "The body is not valid JSON"],
  ["malformed_request", 400, "The request cannot be read"],
  ["missing_key", 401, "No API key was sent"],
  ["invalid_key", 401, "The API key is invalid"],
  ["missing_scope", 403, "The API key lacks the scope for this call"],
  ["foreign_organization", 403, "The API key belongs to another organization"],
  ["key_not_found", 404, "There is no such key"],
  ["keys_not_writable", 409, "The api cannot change its key file"],
  ["origin_not_allowed", 403, "Requests from this web page are not allowed"],
  ["route_not_found", 404, "There is no such path"],
  ["execution_not_found", 404, "There is no such execution"],
  ["file_not_found", 404, "There is no such file"],
  ["container_not_found", 404, "There is no such container"],
  ["response_not_found", 404, "There is no such response"],
  ["assistant_not_found", 404, "There is no such assistant"],
  ["model_not_found", 404, "There is no such model"],
  ["method_not_allowed", 405, "The path does not support this method"],
  ["execution_running", 409, "The execution has not ended"],
  ["response_running", 409, "The response has not ended"],
  ["tool_call_not_waiting", 409, "The tool call does not wait for this answer"],
  ["container_expired", 410, "The container has expired"],
  ["container_lost", 410, "The container was lost"],
  ["body_too_large", 413, "The body is too large"],
  ["file_too_large", 413, "The file is too large"],
  ["unsupported_media_type", 415, "The content type is not supported"],
  ["range_not_satisfiable", 416, "The range lies outside the file"],
  ["invalid_field", 422, "A field is invalid"],
  ["unknown_field", 422, "A field is unknown"],
  ["idempotency_mismatch", 422, "The Idempotency-Key was used with another body"],
  ["rate_limited", 429, "Too many requests for this key"],
  ["organization_queue_full", 429, "The organization's share of the queue is full"],
  ["organization_storage_full", 429, "The organization's storage is full"],
  ["organization_requests_full", 429, "The organization has too many requests in flight"],
  ["organization_responses_full", 429, "The organization has too many responses running"],
  ["organization_containers_full", 429, "The organization has too many containers"],
  ["queue_full", 503, "The queue is full"],
  ["queue_not_writable", 503, "The queue accepts nothing now; what it holds can be read"],
  ["queue_unavailable", 503, "The queue cannot be reached"],
  ["storage_unavailable", 503, "The file store cannot be reached"],
  ["responses_full", 503, "Too many responses are running"],
  ["packages_unknown", 503, "No worker has announced its packages"],
  ["model_not_configured", 503, "No model is configured"],
  ["queue_deadline_passed", 503, "No worker took the execution in time; it did not run"],
  ["container_unavailable", 503, "No worker had room for the container in time"],
  ["sandbox_lost", 503, "The sandbox was lost"],
  ["worker_lost", 503, "The worker was lost"],
  ["shutting_down", 503, "The service is stopping"],
  ["conversation_not_found", 404, "There is no such conversation"],
  ["item_not_found", 404, "There is no such item"],
  ["context_length_exceeded", 400, "The conversation is longer than the model's context"],
  ["model_refused_request", 400, "The model's API refused the request as invalid"],
  ["model_rate_limited", 429, "The model's API is at its rate limit"],
  ["model_unavailable", 502, "The model could not be reached"],
  ["model_refused", 502, "The model's API refused the request"],
  ["model_broken_answer", 502, "The model's answer was incomplete or malformed"],
  ["code_not_run", 502, "The model did not run code, although it had to"],
  ["code_not_allowed", 502, "The model called the code interpreter, although it was off"],
  ["execution_failed", 502, "The model's code could not be run"],
  ["model_timeout", 504, "The model did not answer in time"],
  ["response_timeout", 504, "The response took longer than allowed"],
  ["not_supported", 400, "This service does not have that function"],
  ["internal", 500, "The service failed"],
];

const answerOf = async (thrown: unknown) => {
  const app = express();
  app.use(requestId);
  app.get("/", () => {
    throw thrown;
  });
  app.use(answerError(makeLog("silent")));
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, { headers: { "x-request-id": "r1" } });
    return { status: response.status, headers: response.headers, body: await response.json() };
  } finally {
    server.closeAllConnections();
    server.close();
  }
};

test("every error of the catalogue is listed here", () => {
  expect(promised.map(([code]) => code).toSorted()).toEqual(errorCodes.toSorted());
});

test.each(promised)("%s is %i, %s", async (code, status, title) => {
  const { headers, body, ...answer } = await answerOf(new ServiceError(code, { detail: "Do that.", param: "a.0" }));
  expect(answer.status).toBe(status);
  expect(headers.get("content-type")).toBe("application/problem+json");
  expect(body).toEqual({
    type: `urn:code-interpreter:error:${code}`,
    title,
    status,
    detail: "Do that.",
    instance: "r1",
    code,
    success: false,
    error: { message: "Do that.", type: catalogue[code].type, param: "a.0", code, status },
  });
  expect(headers.has("retry-after")).toBe(status === 429 || status === 503);
  expect(headers.get("x-should-retry")).toBe(status === 429 || status >= 500 ? null : "false");
  expect(headers.has("www-authenticate")).toBe(status === 401);
});

test("Retry-After is in whole seconds, at least one", async () => {
  for (const [seconds, text] of [
    [0.2, "1"],
    [1.1, "2"],
    [30, "30"],
  ] as const) {
    expect((await answerOf(new ServiceError("queue_full", { retryAfterSeconds: seconds }))).headers.get("retry-after")).toBe(text);
  }
});

const redisError = (message: string, more: object = {}) => Object.assign(new Error(message), more);
test.each<[string, unknown, ErrorCode]>([
  ["a refused connection", redisError("connect ECONNREFUSED", { code: "ECONNREFUSED", syscall: "connect" }), "queue_unavailable"],
  ["a missing socket", redisError("connect ENOENT", { code: "ENOENT", syscall: "connect" }), "queue_unavailable"],
  ["a closed connection", redisError("Connection is closed."), "queue_unavailable"],
  ["a command that timed out", redisError("Command timed out"), "queue_unavailable"],
  ["an offline queue", redisError("Stream isn't writeable and enableOfflineQueue options is false"), "queue_unavailable"],
  ["too many retries", redisError("Reached the max retries", { name: "MaxRetriesPerRequestError" }), "queue_unavailable"],
  ["a Redis that is loading", redisError("LOADING Redis is loading", { name: "ReplyError" }), "queue_unavailable"],
  ["a Redis that is out of memory", redisError("OOM command not allowed", { name: "ReplyError" }), "queue_not_writable"],
  ["a wrong Redis command", redisError("ERR unknown command", { name: "ReplyError" }), "internal"],
  ["a missing file of the service", redisError("open ENOENT", { code: "ENOENT", syscall: "open" }), "internal"],
  ["a full file store", new BlobStoreFailed("full"), "storage_unavailable"],
  ["a string", "x", "internal"],
  ["nothing", undefined, "internal"],
])("%s is reported with its code of the catalogue", (_, thrown, code) => {
  expect(serviceErrorOf(thrown).code).toBe(code);
});
