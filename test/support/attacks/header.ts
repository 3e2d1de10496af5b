import { causes, statuses } from "../../../src/domain/status.ts";

/**
 * The header of a hostile program: its first comments, one `# key: value` per line.
 *
 *     # attack: what it tries                                  required
 *     # verdict: completed | failed exit | incomplete timeout  required; allowed ends, as status and cause
 *     # prints: text                                           its stdout must contain it; repeatable
 *     # never prints: text                                     no output may contain it; repeatable
 *     # files: ["name"]                                        exactly the stored files, JSON; default none; "*" for any
 *     # input: name kind                                       a file made by inputs.ts; repeatable
 *     # timeout_ms: 3000
 *     # memory_mb: 256
 *     # calls: none | at most 3                               has the tools echo and silent, and tools-socket.py; calls that may reach the caller
 *     # twice: every line differs                              runs twice, and no line may be printed by both
 *     # runtime: runc (reason)                                 runs only under this runtime
 *     # engine: docker (reason)                                runs only under this engine
 *     # ends the sandbox: runsc (reason)                       may lose the whole sandbox there, with its output
 *
 * A program prints `breached: …` if it succeeds, which always fails the test.
 */
export interface Attack {
  file: string;
  title: string;
  code: string;
  verdicts: string[];
  prints: string[];
  neverPrints: string[];
  /** null means any. */
  files: string[] | null;
  inputs: Array<{ name: string; kind: string }>;
  timeoutMs: number;
  memoryMb: number | null;
  /** Calls that may reach the caller. Null: the program has no tools. */
  callsMax: number | null;
  twice: boolean;
  only: ThereOnly | null;
  onlyEngine: ThereOnly | null;
  endsSandbox: ThereOnly | null;
}

interface ThereOnly {
  /** Name of a runtime or engine. */
  runtime: string;
  reason: string;
}

const DEFAULT_TIMEOUT_MS = 15_000;

/** Reads the header of one program. Throws an error with file and line on an unknown entry. */
export function parseAttack(file: string, code: string): Attack {
  const attack: Attack = {
    file,
    code,
    title: "",
    verdicts: [],
    prints: [],
    neverPrints: ["breached"],
    files: [],
    inputs: [],
    timeoutMs: DEFAULT_TIMEOUT_MS,
    memoryMb: null,
    callsMax: null,
    twice: false,
    only: null,
    onlyEngine: null,
    endsSandbox: null,
  };
  for (const line of code.split("\n")) {
    if (!line.startsWith("#")) break;
    const parts = /^# ([a-z_ ]+): (.+)$/.exec(line);
    const read = parts === null ? undefined : readers[parts[1] as string];
    if (parts === null || read === undefined) throw new SyntaxError(`${file}: unknown header line "${line}"`);
    try {
      read(attack, parts[2] as string);
    } catch (error) {
      throw new SyntaxError(`${file}: bad header line "${line}"`, { cause: error });
    }
  }
  if (attack.title === "" || attack.verdicts.length === 0) throw new SyntaxError(`${file}: needs "# attack: …" and "# verdict: …"`);
  return attack;
}

const readers: Record<string, (attack: Attack, value: string) => void> = {
  attack: (attack, value) => {
    attack.title = value;
  },
  verdict: (attack, value) => {
    attack.verdicts = value.split("|").map((text) => checkedVerdict(text.trim()));
  },
  prints: (attack, value) => {
    attack.prints.push(value);
  },
  "never prints": (attack, value) => {
    attack.neverPrints.push(value);
  },
  files: (attack, value) => {
    const names = value === "*" ? null : (JSON.parse(value) as unknown);
    if (names !== null && !(Array.isArray(names) && names.every((name) => typeof name === "string")))
      throw new TypeError("not a list of names");
    attack.files = names;
  },
  input: (attack, value) => {
    const [name, kind] = value.split(" ");
    if (name === undefined || kind === undefined) throw new TypeError("needs a name and a kind");
    attack.inputs.push({ name, kind });
  },
  timeout_ms: (attack, value) => {
    attack.timeoutMs = wholeNumber(value);
  },
  memory_mb: (attack, value) => {
    attack.memoryMb = wholeNumber(value);
  },
  calls: (attack, value) => {
    attack.callsMax = value === "none" ? 0 : wholeNumber(value.replace(/^at most /, ""));
  },
  twice: (attack, value) => {
    if (value !== "every line differs") throw new TypeError("the only comparison is: every line differs");
    attack.twice = true;
  },
  runtime: (attack, value) => {
    attack.only = thereOnly(value);
  },
  engine: (attack, value) => {
    attack.onlyEngine = thereOnly(value);
  },
  "ends the sandbox": (attack, value) => {
    attack.endsSandbox = thereOnly(value);
  },
};

function thereOnly(value: string): ThereOnly {
  const parts = /^([a-z]+) \((.+)\)$/.exec(value);
  if (parts === null) throw new TypeError("needs a runtime and a reason in parentheses");
  return { runtime: parts[1] as string, reason: parts[2] as string };
}

function checkedVerdict(text: string): string {
  const [status, cause, ...rest] = text.split(" ");
  const known =
    (statuses as readonly string[]).includes(status ?? "") && (cause === undefined || (causes as readonly string[]).includes(cause));
  if (!known || rest.length > 0) throw new TypeError(`no such verdict: ${text}`);
  return text;
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new TypeError("not a whole number");
  return Number(text);
}
