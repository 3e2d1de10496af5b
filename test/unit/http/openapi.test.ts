import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { expectMatchesOpenApi, expectMatchesSchema, openApi } from "../../support/checks/openapi.ts";
import { expectSeconds } from "../../support/checks/times.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
interface Operation {
  operationId?: string;
  summary?: string;
  description?: string;
  security?: unknown[];
  parameters?: Array<{ name: string; description?: string }>;
  requestBody?: { content: Record<string, { schema: object; example?: unknown }> };
  responses: Record<string, { content?: Record<string, { example?: unknown }> }>;
}
const operations = Object.entries(openApi.paths as unknown as Record<string, Record<string, Operation>>).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

describe("the OpenAPI document", () => {
  test("is clean for redocly", async () => {
    const folder = await mkdtemp(join(tmpdir(), "ci-openapi-"));
    try {
      const file = join(folder, "openapi.json");
      await writeFile(file, JSON.stringify(openApi));
      const command = [
        join(root, "node_modules/@redocly/cli/bin/cli.js"),
        "lint",
        file,
        "--config",
        join(root, "redocly.yaml"),
        "--format=json",
      ];
      const env = { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" };
      const { stdout } = await promisify(execFile)(process.execPath, command, { env });
      expect(JSON.parse(stdout)).toMatchObject({ totals: { errors: 0, warnings: 0 } });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("gives every operation an id of its own, a description, and its security", () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(ids.filter((id) => id === undefined)).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, operation } of operations) {
      expect(operation.description, path).toMatch(/\w/);
      const isOpen = /\/health\/|openapi\.json|receipt-keys/.test(path);
      expect(operation.security?.length, path).toBe(isOpen ? 0 : 2);
    }
  });

  test("names the outputs, with a discriminator, and refers to them", () => {
    const schemas = openApi.components?.schemas as Record<string, { discriminator?: { mapping: Record<string, string> } }>;
    expect(schemas.Output?.discriminator?.mapping).toMatchObject({
      text: "#/components/schemas/OutputText",
      image: "#/components/schemas/OutputImage",
      error: "#/components/schemas/OutputError",
    });
    expect(schemas.ExecutionEvent?.discriminator?.mapping["execution.ended"]).toBe("#/components/schemas/EventEnded");
    expect(JSON.stringify(schemas.Execution)).toContain('"#/components/schemas/Output"');
  });

  test("says of every time that it is in Unix seconds, and shows such values", () => {
    expect(timesOf(openApi).length).toBeGreaterThan(15);
    expect(timesOf(openApi).filter(([, description]) => !description.startsWith("Unix time, seconds"))).toEqual([]);
    expect(JSON.stringify(openApi)).not.toMatch(/Unix (time, )?milliseconds/);
    for (const { operation } of operations) {
      for (const { content } of Object.values(operation.responses)) {
        for (const media of Object.values(content ?? {})) expectSeconds(media.example);
      }
    }
  });

  test("has no default in requests", () => {
    expect(JSON.stringify(openApi)).not.toMatch(/"default":(?!\{)/);
  });

  test("describes every parameter, and has an example for every body, sent or received", () => {
    const without: string[] = [];
    for (const { path, method, operation } of operations) {
      for (const { name, description } of operation.parameters ?? []) {
        if (!/\w/.test(description ?? "")) without.push(`${method} ${path} ${name}`);
      }
      const bodies = [operation.requestBody, ...Object.values(operation.responses)];
      for (const [type, { example }] of bodies.flatMap((body) => Object.entries(body?.content ?? {}))) {
        if (example === undefined) without.push(`${method} ${path} ${type}`);
      }
      const sent = operation.requestBody?.content["application/json"];
      if (sent !== undefined) expectMatchesSchema(`${method} ${path}`, sent.schema, sent.example);
    }
    expect(without).toEqual([]);
  });

  test("has an example for every JSON answer that succeeds, which matches its schema", () => {
    const without: string[] = [];
    for (const { path, method, operation } of operations) {
      for (const [status, { content }] of Object.entries(operation.responses)) {
        const media = content?.["application/json"];
        if (media === undefined || Number(status) >= 300) continue;
        if (media.example === undefined) without.push(`${method} ${path} ${status}`);
        else expectMatchesOpenApi(method, path, Number(status), "application/json", media.example);
      }
    }
    expect(without).toEqual([]);
  });
});

/** Every numeric property of the document that is a time, with its description. */
function timesOf(schema: unknown): Array<[string, string]> {
  if (typeof schema !== "object" || schema === null) return [];
  const properties = (schema as { properties?: Record<string, object> }).properties ?? {};
  const own = Object.entries(properties).filter(
    ([name, property]) => /(_at|^created)$/.test(name) && /"(number|integer)"/.test(JSON.stringify(property)),
  );
  return [
    ...own.map(([name, property]): [string, string] => [name, (property as { description?: string }).description ?? ""]),
    ...Object.values(schema).flatMap(timesOf),
  ];
}
