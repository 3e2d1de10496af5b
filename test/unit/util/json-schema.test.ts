import { describe, expect, test } from "vitest";
import { schemaProblem } from "../../../src/util/json-schema.ts";

const order = {
  type: "object",
  properties: {
    id: { type: "integer", minimum: 1 },
    tags: { type: "array", items: { type: "string" }, maxItems: 2 },
    state: { enum: ["open", null] },
  },
  required: ["id"],
  additionalProperties: false,
};

describe("a value is checked against a caller's schema", () => {
  test.each([
    [{ id: 1 }, null],
    [{ id: 1, tags: ["a"], state: null }, null],
    [{}, "the value lacks id"],
    [{ id: 0 }, "id is out of bounds"],
    [{ id: "1" }, "id must be integer"],
    [{ id: 1.5 }, "id must be integer"],
    [{ id: 1, tags: [1] }, "tags[0] must be string"],
    [{ id: 1, tags: ["a", "b", "c"] }, "tags has a length out of bounds"],
    [{ id: 1, state: "shut" }, "state must be one of its enum"],
    [{ id: 1, more: 1 }, "more is not allowed"],
    [[], "the value must be object"],
  ])("%j: %s", (value, problem) => {
    expect(schemaProblem(order, value)).toBe(problem);
  });

  test("combinations and references inside the schema hold", () => {
    const schema = { $defs: { id: { type: "integer" } }, anyOf: [{ $ref: "#/$defs/id" }, { type: "null" }], not: "ignored" };
    expect(schemaProblem(schema, 3)).toBeNull();
    expect(schemaProblem(schema, null)).toBeNull();
    expect(schemaProblem(schema, "x")).toBe("the value matches none of its choices");
    expect(schemaProblem({ anyOf: [{ type: "integer" }], oneOf: [{ maximum: 3 }] }, 4)).toBe("the value matches none of its choices");
    expect(schemaProblem({ exclusiveMinimum: 0, exclusiveMaximum: 2 }, 1)).toBeNull();
    expect(schemaProblem({ exclusiveMinimum: 0 }, 0)).toBe("the value is out of bounds");
    expect(schemaProblem({ exclusiveMaximum: 2 }, 2)).toBe("the value is out of bounds");
    expect(schemaProblem({ allOf: [{ type: "integer" }, { maximum: 3 }] }, 4)).toBe("the value is out of bounds");
  });

  test("no schema, and no keyword, allows everything", () => {
    expect(schemaProblem(undefined, { a: 1 })).toBeNull();
    expect(schemaProblem({ $ref: "https://elsewhere/x", pattern: "(a+)+$" }, "aaaa")).toBeNull();
  });

  test("a schema that refers to itself, and one that branches without end, are given up in bounded time", () => {
    expect(schemaProblem({ $ref: "#" }, 1)).toContain("too complex");
    const branches = { properties: { a: { anyOf: Array.from({ length: 9 }, () => ({ $ref: "#" })) } }, required: ["b"] };
    let value: object = {};
    for (let depth = 0; depth < 40; depth++) value = { a: value, b: 1 };
    expect(schemaProblem(branches, value)).toContain("too complex");
  });
});
