import type { Ending } from "../support/faults/ledger.ts";

export interface Program {
  readonly name: string;
  readonly body: Record<string, unknown>;
  readonly endings: readonly Ending[];
}

const program = (name: string, code: string, endings: readonly Ending[] = ["completed"], more: Record<string, unknown> = {}): Program => ({
  name,
  body: { code, ...more },
  endings,
});

/** Programs of honest callers and their ends. */
export const honest: readonly Program[] = [
  program("print", "print(6 * 7)"),
  program("result", "sum(range(1000))"),
  program("slow", "import time\nfor n in range(6):\n    print(n, flush=True)\n    time.sleep(0.3)"),
  program("table", "import pandas as pd\npd.DataFrame({'n': range(50)}).describe()"),
  program("files", "for n in range(4):\n    open(f'out-{n}.bin', 'wb').write(bytes(200_000))"),
  program("input", "print(len(open('in.txt').read()))", ["completed"], { files: [{ name: "in.txt", text: "x".repeat(50_000) }] }),
  program("exception", "print('before')\n1 / 0", ["failed/exception"]),
  program("exit", "import sys\nsys.exit(3)", ["failed/exit"]),
];

const any = ["completed", "failed", "incomplete"] as const;

/** Hostile programs. Their ends depend on the kernel, but each must end without affecting others. */
export const hostile: readonly Program[] = [
  program("memory", "x = []\nwhile True:\n    x.append(bytearray(10_000_000))", ["incomplete/memory"]),
  program("forks", "import os\nwhile True:\n    os.fork()", any, { timeout_ms: 3_000 }),
  program("flood", "while True:\n    print('x' * 100_000)", ["incomplete"], { timeout_ms: 10_000 }),
  program("disk", "open('full.bin', 'wb').write(bytes(10_000_000) * 20)", any),
  program("sleep for ever", "import time\ntime.sleep(1_000)", ["incomplete/timeout"], { timeout_ms: 1_500 }),
  program("kill all", "import os, signal\nos.kill(-1, signal.SIGKILL)", any),
  program(
    "forge",
    "import os\nfor fd in range(3, 64):\n    try:\n        os.write(fd, b'\\xff' * 4096)\n    except OSError:\n        pass",
    any,
  ),
  program("deep", "import sys\nsys.setrecursionlimit(10**9)\nf = lambda: f()\nf()", any, { timeout_ms: 5_000 }),
];
