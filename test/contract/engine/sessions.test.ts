import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { makeLimits } from "../../../src/domain/limits.ts";
import type { CellEnd } from "../../../src/domain/run.ts";
import { hasOwnKernel } from "../../../src/sandbox/own-kernel.ts";
import { runtimesWanted } from "../../support/sandboxes/engine.ts";
import { errorOf, filesOf, prepareSessions, type SessionsUnderTest, textOf } from "../../support/sandboxes/session.ts";

const limits = makeLimits({ outputStopBytesMax: 4 * 1024 * 1024, sharedMemoryMbMax: 32, workingFolderMbMax: 100 });
let under: SessionsUnderTest;
beforeAll(async () => {
  under = await prepareSessions(limits);
});
afterEach(() => under.closeSessions());
afterAll(() => under.close());

describe("cells of a session", () => {
  test("share variables, imports and the working folder, but not outputs", async () => {
    const { cell } = await under.begin();
    const first = await cell("import math\nx = 41\nopen('a.txt', 'w').write('one')\nprint('first')");
    expect([first.status, textOf(first), filesOf(first)]).toEqual(["completed", "first", ["created a.txt"]]);
    expect(first.evidence.session_alive).toBeUndefined();
    const second = await cell("x += 1\nprint(x, math.floor(1.5), open('a.txt').read())");
    expect([second.status, textOf(second), filesOf(second)]).toEqual(["completed", "42 1 one", []]);
    expect((await cell("x")).outputs).toEqual([{ type: "result", text: "42" }]);
    expect((await cell("_")).outputs).toEqual([{ type: "result", text: "42" }]);
  });

  test("have their own arguments, environment, standard input and time limit", async () => {
    const { cell } = await under.begin();
    const first = await cell("import sys, os\nprint(sys.argv[1:], sys.stdin.read(), os.environ['A'])", {
      args: ["x"],
      stdin: "in 1",
      env: { A: "1" },
    });
    expect(textOf(first)).toBe("['x'] in 1 1");
    expect(textOf(await cell("print(sys.argv[1:], repr(input()), os.environ.get('A'))", { stdin: "in 2\n" }))).toBe("[] 'in 2' None");
    expect(errorOf(await cell("input()"))).toMatchObject({ name: "EOFError" });
    const large = "z".repeat(300_000);
    expect(textOf(await cell("print(len(sys.stdin.read()))", { stdin: large }))).toBe("300000");
  });

  test("report files as created, modified or removed since the previous cell", async () => {
    const { cell } = await under.begin();
    expect(filesOf(await cell("for n in 'abc': open(n + '.txt', 'w').write(n)"))).toEqual([
      "created a.txt",
      "created b.txt",
      "created c.txt",
    ]);
    const second = await cell("import os\nopen('b.txt', 'w').write('B')\nos.remove('c.txt')\nopen('d.txt', 'w').write('d')");
    expect(filesOf(second)).toEqual(["modified b.txt", "created d.txt"]);
    expect(second.removedFiles).toEqual(["c.txt"]);
    const third = await cell("pass");
    expect([filesOf(third), third.removedFiles]).toEqual([[], []]);
  });

  test("see files that were put or removed between cells, even where the code left something else under the name", async () => {
    const { session, cell, stored, ports } = await under.begin();
    stored.set("file_1", Buffer.from("from outside"));
    await session.putFile("in/a.txt", "file_1", ports());
    const first = await cell(
      "import os\nprint(open('in/a.txt').read())\nos.remove('in/a.txt'); os.symlink('/etc/passwd', 'in/a.txt'); os.mkfifo('pipe')",
    );
    expect([textOf(first), first.removedFiles]).toEqual(["from outside", ["in/a.txt"]]);
    await session.putFile("in/a.txt", "file_1", ports());
    await session.putFile("pipe", "file_1", ports());
    const second = await cell("print(os.path.islink('in/a.txt'), open('in/a.txt').read(), open('pipe').read(), os.listdir('in'))");
    expect([textOf(second), filesOf(second)]).toEqual(["False from outside from outside ['a.txt']", []]);
    await session.removeFile("in/a.txt");
    await session.removeFile("never-there.txt");
    expect(textOf(await cell("print(os.listdir('in'))"))).toBe("[]");
  });

  test("continue after a file that failed half way, and after one that could not be placed, which the next cell reports", async () => {
    const { session, cell, stored, ports } = await under.begin();
    await cell("import os\nos.mkdir('taken'); x = 1");
    await expect(session.putFile("gone.txt", "file_none", ports())).rejects.toThrow("input file");
    stored.set("file_1", Buffer.from("1"));
    await session.putFile("taken", "file_1", ports());
    const end = await cell("print(x, os.listdir('.'))");
    expect(textOf(end)).toBe("1 ['taken']");
    expect(end.skipped_files).toEqual([{ name: "taken", reason: expect.stringContaining("it could not be placed") }]);
    expect((await cell("1")).skipped_files).toEqual([]);
  });

  test("get what background threads printed since the previous cell", async () => {
    const { cell } = await under.begin();
    await cell(
      "import threading\ngo = threading.Event()\ndef late():\n  go.wait(); print('from the thread', flush=True); done.set()\ndone = threading.Event()\nthreading.Thread(target=late, daemon=True).start()",
    );
    expect(textOf(await cell("go.set(); _ = done.wait(5); print('cell')"))).toBe("from the thread\ncell");
  });

  test("may fork: the child ends with its cell and never runs the next one", async () => {
    const { cell } = await under.begin();
    await cell("import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)");
    expect(textOf(await cell("print('once')"))).toBe("once");
  });

  test("may start processes that outlive their cell", async () => {
    const { cell } = await under.begin();
    await cell("import subprocess\np = subprocess.Popen(['sleep', '100'])");
    expect(textOf(await cell("print(p.poll()); p.kill(); print(p.wait())"))).toBe("None\n-9");
  });

  test("may await at top level in one cell after another", async () => {
    const { cell } = await under.begin();
    await cell("import asyncio\nq = asyncio.Queue()\nawait q.put(1)");
    expect((await cell("await q.get()")).outputs).toEqual([{ type: "result", text: "1" }]);
  });
});

describe("variables survive", () => {
  const alive = async (cell: (code: string) => Promise<CellEnd>) => textOf(await cell("print(x)"));

  test("an exception, an exit, a syntax error", async () => {
    const { cell } = await under.begin();
    await cell("x = 1");
    const failed = await cell("1/0");
    expect(failed).toMatchObject({ status: "failed", cause: "exception", evidence: { session_alive: true } });
    expect(await cell("import sys; sys.exit(3)")).toMatchObject({
      status: "failed",
      cause: "exit",
      evidence: { exit_code: 3, session_alive: true },
    });
    expect(errorOf(await cell("def"))).toMatchObject({ name: "SyntaxError" });
    expect(await alive(cell)).toBe("1");
  });

  test("a time limit, when the code yields", async () => {
    const { cell } = await under.begin();
    await cell("import asyncio; x = 1");
    for (const code of ["while True: pass", "import time; time.sleep(60)", "import asyncio; await asyncio.sleep(60)"]) {
      const end = await cell(`x += 1\n${code}`, { timeoutMs: 1_000 });
      expect(end).toMatchObject({ status: "incomplete", cause: "timeout", evidence: { session_alive: true } });
      expect(errorOf(end)).toMatchObject({ name: "KeyboardInterrupt" });
    }
    expect(await alive(cell)).toBe("4");
  });

  test("a cancellation, when the code yields", async () => {
    const { cell } = await under.begin();
    const stop = new AbortController();
    const end = await cell("x = 1\nprint('here', flush=True)\nwhile True: pass", {
      stop: stop.signal,
      emit: () => stop.abort("cancelled"),
    });
    expect(end).toMatchObject({ status: "cancelled", cause: "cancelled", evidence: { session_alive: true }, retry_safe: false });
    expect(textOf(end)).toBe("here");
    expect(await alive(cell)).toBe("1");
  });

  test("a flood of output, whose beginning is kept", async () => {
    const { cell } = await under.begin();
    const flood = await cell("x = 1\nwhile True: print('y' * 1000)");
    expect(flood).toMatchObject({ status: "incomplete", cause: "output", evidence: { session_alive: true }, truncated: { stdout: true } });
    expect(textOf(flood).length).toBeGreaterThan(1_000_000);
    expect(await alive(cell)).toBe("1");
  });

  test("a child process that used too much memory", async () => {
    const { cell } = await under.begin();
    const end = await cell("x = 1\nimport subprocess\nsubprocess.run(['python3', '-c', 'b = bytearray(2**30)'])");
    expect(end).toMatchObject({ status: "incomplete", cause: "memory", evidence: { session_alive: true } });
    const next = await cell("print(x)");
    expect([next.status, textOf(next)]).toEqual(["completed", "1"]);
  });
});

/** With gVisor there are no copies. */
const copiesUnderTest = !hasOwnKernel(runtimesWanted[0] ?? "runc");
const processesLeft =
  "import os; print(sorted(open(f'/proc/{p}/cmdline').read().split('\\0')[0] for p in os.listdir('/proc') if p.isdigit()))";

describe.skipIf(!copiesUnderTest)("a cell that costs the process its life costs only the cell", () => {
  test.each([
    ["ends its process", "os._exit(0)", { status: "completed" }],
    ["ends its process with a code", "os._exit(3)", { status: "failed", cause: "exit", evidence: { exit_code: 3 } }],
    ["crashes", "ctypes.string_at(0)", { status: "failed", cause: "signal", evidence: { signal: "SIGSEGV" } }],
    ["uses too much memory", "b = bytearray(2**30)", { status: "incomplete", cause: "memory" }],
    ["closes its descriptors", "os.closerange(0, 100)", {}],
    [
      "does not yield at its time limit",
      "signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
      { status: "incomplete", cause: "timeout" },
    ],
    ["leaves processes behind", "subprocess.Popen(['sleep', '100'], start_new_session=True); os.kill(os.getpid(), 9)", { cause: "signal" }],
  ])("when it %s", async (_what, code, ending) => {
    const { session, cell } = await under.begin();
    await cell("import os, ctypes, signal, subprocess\nx = ['before']");
    for (let count = 0; count < 2; count += 1) {
      const end = await cell(`x.append('lost'); open('kept.txt', 'a').write('k'); print('printed', flush=True)\n${code}`, {
        timeoutMs: 2_000,
      });
      expect(end).toMatchObject(ending);
      expect(end.evidence).toMatchObject({ session_alive: true, restored: "before_cell" });
      expect([textOf(end), filesOf(end)]).toEqual(["printed", [count === 0 ? "created kept.txt" : "modified kept.txt"]]);
      const next = await cell("print(x, open('kept.txt').read())");
      expect([textOf(next), next.evidence]).toEqual([`['before'] ${"k".repeat(count + 1)}`, {}]);
    }
    expect(textOf(await cell(processesLeft))).not.toContain("sleep");
    expect(session.ended.aborted).toBe(false);
  });

  test("when it had threads from earlier cells, which are gone", async () => {
    const { cell } = await under.begin();
    await cell(
      "import os, threading, time, random\nrandom.seed(4)\nt = threading.Thread(target=time.sleep, args=(100,), daemon=True); t.start()",
    );
    for (let count = 0; count < 2; count += 1) {
      const end = await cell("assert random.random() and os._exit(9)");
      expect(end).toMatchObject({ status: "failed", cause: "exit", evidence: { exit_code: 9, restored: "before_cell" } });
      expect(
        textOf(
          await cell("r = random.Random(4); s = random.getstate(); print(t.is_alive(), r.random() == random.random()); random.setstate(s)"),
        ),
      ).toBe("False True");
    }
    const cancelled = await cell("time.sleep(0.01); os.abort()");
    expect(cancelled).toMatchObject({ cause: "signal", evidence: { signal: "SIGABRT", session_alive: true } });
  });

  test("when it is cancelled and does not yield", async () => {
    const { cell } = await under.begin();
    await cell("import signal; x = 1");
    const stop = new AbortController();
    const emit = () => stop.abort("cancelled");
    const end = await cell("signal.signal(signal.SIGINT, signal.SIG_IGN); print('on', flush=True)\nwhile True: pass", {
      stop: stop.signal,
      emit,
    });
    expect(end).toMatchObject({ status: "cancelled", evidence: { session_alive: true, restored: "before_cell" } });
    expect(textOf(await cell("print(x)"))).toBe("1");
  });

  test("but the session ends where that was asked for", async () => {
    const { session, cell } = await under.begin(false);
    await cell("x = 1");
    expect(await cell("import os; os._exit(0)")).toMatchObject({ evidence: { session_alive: false } });
    expect(session.ended.aborted).toBe(true);
  });
});

test.skipIf(copiesUnderTest)("a cell that costs the process its life ends the session where forks are dear", async () => {
  const { session, cell } = await under.begin();
  await cell("x = 1");
  const end = await cell("import os; os._exit(0)");
  expect(end.evidence).toEqual({ session_alive: false });
  expect(session.ended.aborted).toBe(true);
});

describe("a session ends, and reports it", () => {
  test("when code does not yield at its time limit", async () => {
    const { session, cell } = await under.begin();
    const end = await cell("print('before', flush=True)\nwhile True:\n  try:\n    while True: pass\n  except BaseException: pass", {
      timeoutMs: 300,
    });
    expect(end).toMatchObject({ status: "incomplete", cause: "timeout", evidence: { session_alive: false } });
    expect(textOf(end)).toBe("before");
    expect(session.ended.aborted).toBe(true);
  });

  test.each([
    ["ends its process", "import os; os._exit(0)", { status: "completed" }],
    ["crashes", "import ctypes; ctypes.string_at(0)", { status: "failed", cause: "signal" }],
    ["uses too much memory", "b = bytearray(2**30)", { status: "incomplete", cause: "memory" }],
    ["closes its descriptors", "import os; os.closerange(0, 100)", { evidence: { session_alive: false } }],
  ])("when code %s", async (_what, code, ending) => {
    const { session, cell } = await under.begin();
    expect(await cell(code)).toMatchObject({ ...ending, evidence: { session_alive: false } });
    expect(session.ended.aborted).toBe(true);
  });

  test("when its process dies between two cells", async () => {
    const { session, cell } = await under.begin();
    await cell("import os, threading, time\nthreading.Thread(target=lambda: (time.sleep(0.2), os._exit(1)), daemon=True).start()");
    await new Promise<void>((resolve) => session.ended.addEventListener("abort", () => resolve(), { once: true }));
  });

  test("when it is closed, and its sandbox is removed", async () => {
    const { session } = await under.begin();
    await session.close();
    expect(session.ended.aborted).toBe(true);
    await under.engine.pool.settled();
    for (const sandbox of under.engine.pool.taken) expect(await under.engine.exists(sandbox.id)).toBe(false);
  });
});
