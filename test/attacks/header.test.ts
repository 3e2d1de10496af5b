import { expect, test } from "vitest";
import { parseAttack } from "../support/attacks/header.ts";

const minimal = "# attack: tries\n# verdict: completed\n";

test("a header names the attack, its verdicts and what must and must not be printed", () => {
  const code = `# attack: tries it
# verdict: failed exit | incomplete timeout
# prints: blocked
# prints: twice
# never prints: secret
# files: ["a.txt", "-rf"]
# input: bomb.zip zip-bomb
# timeout_ms: 1500
# memory_mb: 128
# calls: at most 3
# twice: every line differs
# runtime: runc (the other has a kernel of its own)
# engine: docker (the other forks)
# ends the sandbox: runsc (its kernel dies with it)
print("# verdict: not this one")`;
  expect(parseAttack("a.py", code)).toEqual({
    file: "a.py",
    code,
    title: "tries it",
    verdicts: ["failed exit", "incomplete timeout"],
    prints: ["blocked", "twice"],
    neverPrints: ["breached", "secret"],
    files: ["a.txt", "-rf"],
    inputs: [{ name: "bomb.zip", kind: "zip-bomb" }],
    timeoutMs: 1500,
    memoryMb: 128,
    callsMax: 3,
    twice: true,
    only: { runtime: "runc", reason: "the other has a kernel of its own" },
    onlyEngine: { runtime: "docker", reason: "the other forks" },
    endsSandbox: { runtime: "runsc", reason: "its kernel dies with it" },
  });
});

test("a header that says nothing more expects no files and never a breach", () => {
  expect(parseAttack("a.py", minimal)).toMatchObject({ files: [], neverPrints: ["breached"], twice: false, only: null, callsMax: null });
  expect(parseAttack("a.py", `${minimal}# files: *\n`).files).toBeNull();
});

test.each([
  ["no attack", "# verdict: completed\n"],
  ["no verdict", "# attack: tries\n"],
  ["an unknown key", `${minimal}# color: red\n`],
  ["a comment that is no header", `${minimal}# just words\n`],
  ["an unknown status", "# attack: tries\n# verdict: succeeded\n"],
  ["an unknown cause", "# attack: tries\n# verdict: failed badly\n"],
  ["three words", "# attack: tries\n# verdict: failed exit 3\n"],
  ["files that are no list", `${minimal}# files: a.txt\n`],
  ["files that are no names", `${minimal}# files: [1]\n`],
  ["a time that is no number", `${minimal}# timeout_ms: soon\n`],
  ["a runtime without a reason", `${minimal}# runtime: runc\n`],
  ["an ended sandbox without a reason", `${minimal}# ends the sandbox: runsc\n`],
  ["an input without a kind", `${minimal}# input: bomb.zip\n`],
  ["calls that are no number", `${minimal}# calls: many\n`],
  ["another comparison", `${minimal}# twice: the same\n`],
])("a header with %s is refused", (_, code) => {
  expect(() => parseAttack("bad.py", code)).toThrow(/^bad\.py: /);
});
