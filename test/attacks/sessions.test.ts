import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { makeLimits } from "../../src/domain/limits.ts";
import { filesOf, prepareSessions, type SessionsUnderTest, textOf } from "../support/sandboxes/session.ts";

/** Hostile cells: what one leaves for the next can affect only its own session. */
const limits = makeLimits();
const GRACE_MS = limits.runKillGraceMs + limits.sessionRestoreMsMax + 2_000;
let under: SessionsUnderTest;
beforeAll(async () => {
  under = await prepareSessions(limits);
});
afterEach(() => under.closeSessions());
afterAll(() => under.close());

/** A frame of the runner's own language, as code would forge it. */
const FRAME = `
import json, os, struct
def frame(kind, head):
  head = json.dumps(head).encode()
  return struct.pack('>BII', kind, len(head), 0) + head
`;

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const started = performance.now();
  const value = await work;
  expect(performance.now() - started).toBeLessThan(ms);
  return value;
}

describe("a cell that ended", () => {
  test("whose thread floods stdout delays no other cell, and its stored text is bounded", async () => {
    const { cell } = await under.begin();
    await cell("import threading\ndef flood():\n  while True: print('z' * 500)\nthreading.Thread(target=flood, daemon=True).start()");
    for (const number of [1, 2]) {
      const end = await within(10_000, cell(`print('\\nmine ${number}')`));
      expect(end.outputs.reduce((sum, output) => sum + ("text" in output ? output.text.length : 0), 0)).toBeLessThanOrEqual(
        limits.stdoutKeptBytesMax,
      );
    }
  });

  test("whose thread keeps displaying adds only to the next cell of its own session", async () => {
    const { cell } = await under.begin();
    const other = await under.begin();
    await cell(
      "import threading, time\ndef late():\n  time.sleep(0.3); display('from the thread')\nt = threading.Thread(target=late); t.start()",
    );
    const second = await cell("t.join()");
    expect(JSON.stringify(second.outputs)).toContain("from the thread");
    expect((await other.cell("1 + 1")).outputs).toEqual([{ type: "result", text: "2" }]);
  });

  test("and steals the next cell's frames is stopped at that cell's time limit, and the session goes on without it or ends", async () => {
    const { cell, session } = await under.begin();
    await cell("import os, threading\ndef steal():\n  while True: os.read(4, 65536)\nthreading.Thread(target=steal, daemon=True).start()");
    // The process itself may win the race for a cell; it cannot win it for long.
    let end = await within(500 + GRACE_MS, cell("1", { timeoutMs: 500 }));
    for (let turn = 1; turn < 20 && end.status === "completed"; turn++) end = await within(500 + GRACE_MS, cell("1", { timeoutMs: 500 }));
    expect(end).toMatchObject({ status: "incomplete", cause: "timeout" });
    expect(session.ended.aborted).toBe(end.evidence.session_alive === false);
    if (session.ended.aborted) return;
    expect(end.evidence.restored).toBe("before_cell");
    for (let turn = 0; turn < 5; turn++) expect((await cell("1", { timeoutMs: 2_000 })).status).toBe("completed");
  });

  test("and ignores interrupts does not make the next one immune to its time limit", async () => {
    const { cell } = await under.begin();
    await cell("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); x = 1");
    const end = await within(500 + GRACE_MS, cell("while True: pass", { timeoutMs: 500 }));
    expect(end).toMatchObject({ status: "incomplete", cause: "timeout", evidence: { session_alive: true } });
    const blocked = await cell("signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})\nwhile True: pass", { timeoutMs: 500 });
    expect(blocked).toMatchObject({ status: "incomplete", cause: "timeout" });
    expect(blocked.evidence.restored === "before_cell").toBe(blocked.evidence.session_alive);
  });

  test("and destroyed the interpreter's output leaves a session whose cells still end", async () => {
    const { cell } = await under.begin();
    await cell("import sys, builtins\nsys.stdout = None; sys.stderr = 5; del builtins.print; sys.modules.clear()");
    const end = await within(10_000, cell("1", { timeoutMs: 3_000 }));
    expect(["completed", "failed", "incomplete"]).toContain(end.status);
  });
});

describe("a cell that forges", () => {
  test("its own end ends at once, and its code is stopped with the next cell at the latest", async () => {
    const { cell, session } = await under.begin();
    const forged = await cell(`${FRAME}\nos.write(3, frame(0x4B, {'cell': 1, 'exit_code': 0}))\nimport time; time.sleep(60)`);
    expect(forged.status).toBe("completed");
    const end = await within(1_000 + GRACE_MS, cell("print('next')", { timeoutMs: 1_000 }));
    expect(end.status === "completed" || end.evidence.session_alive !== undefined).toBe(true);
    expect(session.ended.aborted).toBe(end.evidence.session_alive === false);
  });

  test("the ends of later cells, or invalid ends, changes nothing", async () => {
    const { cell } = await under.begin();
    const heads = "[{'cell': 99, 'exit_code': 0}, {'cell': '1'}, {}, {'cell': None, 'exit_code': []}]";
    const end = await cell(`${FRAME}\nfor head in ${heads}: os.write(3, frame(0x4B, head))\nprint('on')`);
    expect([end.status, textOf(end)]).toEqual(["completed", "on"]);
    expect(textOf(await cell("print('next')"))).toBe("next");
  });

  test("invalid frames ends its session in time", async () => {
    const { cell } = await under.begin();
    const end = await within(10_000, cell("import os, time; os.write(3, b'\\xff' * 64); time.sleep(30)", { timeoutMs: 5_000 }));
    expect(end.evidence.session_alive).toBe(false);
  });
});

describe("what code does to the copy of its process", () => {
  /** Finds the other processes that the code can see, of which one is the copy. */
  const FIND = `
import ctypes, os, resource, signal, subprocess, sys, time
def others():
  while True:
    found = [int(p) for p in os.listdir('/proc') if p.isdigit() and int(p) not in (1, os.getpid())]
    if found: return found
def die(): os.kill(os.getpid(), 9)
`;
  test.each([
    ["kills it", "for p in others(): os.kill(p, 9)"],
    ["stops it", "for p in others(): os.kill(p, signal.SIGSTOP)"],
    ["traces it", "print([ctypes.CDLL(None).ptrace(16, p, 0, 0) for p in others()])"],
    ["reads its memory", "print(len(open(f'/proc/{others()[0]}/mem', 'rb', 0).__class__.__name__))"],
    ["takes its descriptors", "for p in others(): resource.prlimit(p, resource.RLIMIT_NOFILE, (0, 0))"],
    [
      "takes its processor",
      "for p in others(): os.sched_setscheduler(p, os.SCHED_IDLE, os.sched_param(0))\nfor _ in range(30):\n  if os.fork() == 0:\n    while True: pass",
    ],
    [
      "outlives it with forks that ignore signals",
      "for _ in range(30):\n  if os.fork() == 0:\n    for n in range(1, 32):\n      if n not in (9, 19): signal.signal(n, signal.SIG_IGN)\n    while True:\n      if os.fork() != 0: os._exit(0)",
    ],
    ["uses up the processes", "try:\n  while True: subprocess.Popen(['sleep', '100'])\nexcept OSError: pass"],
    ["uses up the memory", "b = bytearray(2**30)"],
    [
      "replaces what makes it",
      "import runner.code.session_loop as loop\nloop.leave_copy = lambda fd: (os.fork() == 0 and time.sleep(100), False)[1]",
    ],
    [
      "answers in its place",
      "import socket\nimport runner.code.session_loop as loop\ndef leave(fd):\n  if os.fork() == 0:\n    s = socket.socket(fileno=fd); s.send(b'ready1'); s.recv(16); s.send(b'awake'); time.sleep(100)\n  os.close(fd); return False\nloop.leave_copy = leave",
    ],
  ])("and %s costs it its session at most", async (_what, attack) => {
    const { cell, session } = await under.begin();
    const other = await under.begin();
    await cell(FIND);
    await other.cell("x = 'other'");
    await within(10_000 + GRACE_MS, cell(`x = 1\n${attack}`));
    const killed = session.ended.aborted ? null : await within(5_000 + GRACE_MS, cell("x = 2\ndie()", { timeoutMs: 5_000 }));
    if (killed !== null) expect(killed.evidence.session_alive).toBe(!session.ended.aborted);
    if (killed?.evidence.session_alive === true) {
      const next = await within(3_000 + GRACE_MS, cell("print('next')", { timeoutMs: 3_000 }));
      expect(next.status === "completed" ? textOf(next) : next.cause).toMatch(/^(next|timeout|signal|exit|memory)$/);
    }
    expect(textOf(await other.cell("print(x)"))).toBe("other");
  });
});

describe("what a cell plants in the working folder", () => {
  test.each([
    ["a link to a folder", "os.symlink('/tmp', 'in')"],
    ["a link to nowhere", "os.symlink('/nowhere', 'in')"],
    ["a pipe", "os.mkfifo('in')"],
    ["a file", "open('in', 'w').close()"],
    ["a folder without permissions", "os.mkdir('in', 0)"],
    ["a folder in the way of an unfinished file", "os.makedirs('in/.unfinished-input/x')"],
  ])("%s in place of a file's folder is not followed, and the next cell reports it", async (_what, plant) => {
    const { session, cell, stored, ports } = await under.begin();
    await cell(`import os\n${plant}`);
    stored.set("file_1", Buffer.from("x"));
    await session.putFile("in/a.txt", "file_1", ports());
    const end = await within(10_000, cell("print(os.path.exists('/tmp/a.txt'))"));
    expect(textOf(end)).toBe("False");
    expect(end.skipped_files.map((file) => file.name)).toContain("in/a.txt");
  });

  test.each([
    ["a link to another file", "open('victim', 'w').write('safe'); os.symlink('victim', 'a.txt')"],
    ["a hard link", "open('victim', 'w').write('safe'); os.link('victim', 'a.txt')"],
    ["an unfinished file that is a link", "open('victim', 'w').write('safe'); os.symlink('victim', '.unfinished-input')"],
    ["a pipe", "open('victim', 'w').write('safe'); os.mkfifo('a.txt')"],
    ["a file without permissions", "open('victim', 'w').write('safe'); open('a.txt', 'w').close(); os.chmod('a.txt', 0)"],
  ])("%s in place of a file is replaced, not written through", async (_what, plant) => {
    const { session, cell, stored, ports } = await under.begin();
    await cell(`import os\n${plant}`);
    stored.set("file_1", Buffer.from("new"));
    await session.putFile("a.txt", "file_1", ports());
    const end = await within(10_000, cell("print(open('a.txt').read(), open('victim').read(), os.path.islink('a.txt'))"));
    expect([textOf(end), end.skipped_files]).toEqual(["new safe False", []]);
  });

  test("a full disk: the file is skipped and reported, and the session continues", async () => {
    const { session, cell, stored, ports } = await under.begin();
    await cell("f = open('.hidden', 'wb')\ntry:\n  while True: f.write(bytes(1 << 20)); f.flush()\nexcept OSError: pass");
    stored.set("file_1", Buffer.alloc(1 << 20));
    await session.putFile("a.bin", "file_1", ports());
    const end = await cell("import os; print(os.listdir('.'))");
    expect(textOf(end)).toBe("['.hidden']");
    expect(end.skipped_files).toEqual([{ name: "a.bin", reason: expect.stringContaining("No space left") }]);
  });

  test("a thread that swaps a file for a link during collection exposes no system file", async () => {
    const { cell, stored } = await under.begin();
    await cell(
      "import os, threading\ndef swap():\n  while True:\n    try:\n      os.symlink('/etc/passwd', 't'); os.rename('t', 'a'); open('t', 'w').close(); os.rename('t', 'a')\n    except OSError: pass\nthreading.Thread(target=swap, daemon=True).start()",
    );
    for (let turn = 0; turn < 10; turn++) await cell("pass");
    expect([...stored.values()].filter((bytes) => bytes.includes("root:"))).toEqual([]);
  });

  test("files beyond the limit: each cell returns at most that many, and the rest is reported once", async () => {
    const { cell } = await under.begin();
    const end = await cell(`for n in range(${limits.filesOutCountMax + 5}): open(f'{n:03}', 'w').write('x')`);
    expect([filesOf(end).length, end.truncated.files]).toEqual([limits.filesOutCountMax, true]);
    const next = await cell("pass");
    expect([filesOf(next), next.skipped_files]).toEqual([[], []]);
  });
});

test("a session's sandbox shows no memory, files, processes or IPC of another", async () => {
  const [one, other] = [await under.begin(), await under.begin()];
  await one.cell(
    "import os\nopen('/tmp/planted', 'w').write('x'); open('/dev/shm/planted', 'w').write('x'); open('planted', 'w').write('x'); os.environ['PLANTED'] = '1'; planted = 1",
  );
  const look =
    "import os\nprint([p for p in ('/tmp/planted', '/dev/shm/planted', 'planted') if os.path.exists(p)], os.environ.get('PLANTED'), 'planted' in globals())";
  expect(textOf(await other.cell(look))).toBe("[] None False");
});
