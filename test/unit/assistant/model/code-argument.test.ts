import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CodeArgument } from "../../../../src/assistant/model/code-argument.ts";

const pieces = (text: string, cuts: number[]) => {
  const at = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((start, index) => text.slice(start, at[index] ?? text.length));
};

describe("the code of a call", () => {
  test("is decoded completely and in order, however its JSON is split and escaped", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.array(fc.nat()), fc.boolean(), (code, cuts, escapeAll) => {
        const plain = JSON.stringify(code);
        const escaped = escapeAll
          ? plain.replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)
          : plain;
        const argument = new CodeArgument();
        const decoded = pieces(`{ "code" : ${escaped} }`, cuts).map((piece) => argument.push(piece));
        expect(argument.end()).toBe(code);
        expect(decoded.join("")).toBe(code);
        expect(argument.decoded).toBe(code);
      }),
    );
  });

  test("is decoded character by character as it arrives", () => {
    const argument = new CodeArgument();
    expect(['{"co', 'de":"pr', "int(\\", "n", "\\u00", "e9", '"', "}"].map((piece) => argument.push(piece))).toEqual([
      "",
      "pr",
      "int(",
      "\n",
      "",
      "é",
      "",
      "",
    ]);
    expect(argument.end()).toBe("print(\né");
  });

  test("never contains half a character", () => {
    const argument = new CodeArgument();
    expect(['{"code":"\\ud83d', "\\ude00", '"}'].map((piece) => argument.push(piece))).toEqual(["", "😀", ""]);
  });

  test("after another key is available at the end", () => {
    const argument = new CodeArgument();
    expect(argument.push('{"language":"python","code":"1"}')).toBe("");
    expect(argument.end()).toBe("1");
  });

  test.each([
    ["bare code", "for x in range(3):\n    print(x)\n", "for x in range(3):\n    print(x)\n"],
    ["bare code in a fence", "```python\nprint(1)\n```", "print(1)"],
    ["JSON within JSON", JSON.stringify(JSON.stringify({ code: "print(1)\nprint(2)" })), "print(1)\nprint(2)"],
    ["code as a JSON string", '"print(1)"', "print(1)"],
    ["real newlines in its string", '{"code": "a = 1\n\tprint(\\"x\\")\n"}', 'a = 1\n\tprint("x")\n'],
    ["the key python", '{"python":"print(1)"}', "print(1)"],
    ["the key source", '{ "source" : "print(1)" }', "print(1)"],
    ["a fence", JSON.stringify({ code: "```python\nprint('```')\n```\n" }), "print('```')"],
    ["a fence without a language", JSON.stringify({ code: "\n```\nprint(1)\n```" }), "print(1)"],
    ["a set", "{1, 2}", "{1, 2}"],
  ])("is read from %s, however it is split", (_, text, code) => {
    fc.assert(
      fc.property(fc.array(fc.nat()), (cuts) => {
        const argument = new CodeArgument();
        const decoded = pieces(text, cuts).map((piece) => argument.push(piece));
        expect(argument.end()).toBe(code);
        expect(code.startsWith(decoded.join(""))).toBe(true);
      }),
    );
  });

  test.each([
    ["half an object", '{"code":"print('],
    ["null", "null"],
    ["code that is not a string", '{"code":["print(1)"]}'],
    ["two `code` members", '{"code":"first","code":"second"}'],
    ["nothing", ""],
  ])("cannot be decoded from %s", (_, text) => {
    const argument = new CodeArgument();
    argument.push(text);
    expect(argument.end()).toBeNull();
  });
});
