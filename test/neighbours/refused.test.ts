import { statSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type EngineUnderTest, startEngine } from "../support/sandboxes/engine.ts";

let under: EngineUnderTest;
beforeAll(async () => {
  under = await startEngine();
});
afterAll(() => under.close());

test("what would watch, slow or use up other sandboxes through the kernel is refused", async () => {
  const code = `
import ctypes, errno, fcntl, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def errno_of(call):
    ctypes.set_errno(0)
    try: answer = call()
    except OSError as error: return errno.errorcode[error.errno]
    return "done" if answer is None or answer >= 0 else errno.errorcode[ctypes.get_errno()]
folder = os.open("/usr/lib", os.O_RDONLY)
for name, call in {
    "inotify": lambda: libc.inotify_init1(0),
    "fanotify": lambda: libc.syscall(300, 0, 0),
    "dnotify": lambda: libc.fcntl(folder, 1026, 1),
    "dnotify, high bits": lambda: libc.syscall(72, folder, 1026 | 1 << 40, 1),
    "lease": lambda: libc.fcntl(folder, 1024, 0),
    "huge pages": lambda: libc.memfd_create(b"x", 4),
    "merge memory": lambda: libc.prctl(67, 1, 0, 0, 0),
    "merge memory, high bits": lambda: libc.syscall(157, 67 | 1 << 40, 1, 0, 0, 0),
    "core scheduling": lambda: libc.prctl(62, 1, 0, 0, 0),
    "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).fileno(),
    "udp over v6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).fileno(),
    "message queue": lambda: os.open("/dev/mqueue/a", os.O_CREAT | os.O_RDWR),
    "terminal": lambda: os.open("/dev/ptmx", os.O_RDWR),
    "pipe size": lambda: fcntl.fcntl(os.pipe()[0], fcntl.F_SETPIPE_SZ, 65536),
    "seals": lambda: fcntl.fcntl(libc.memfd_create(b"x", 2), fcntl.F_ADD_SEALS, 1),
    "name": lambda: libc.prctl(15, b"name", 0, 0, 0),
}.items(): print(name, "=", errno_of(call))
`;
  const { end, text } = await under.run(code);
  expect(end.status).toBe("completed");
  expect(
    Object.fromEntries(
      text()
        .split("\n")
        .map((line) => line.split(" = ")),
    ),
  ).toEqual({
    inotify: "ENOSYS",
    fanotify: "ENOSYS",
    dnotify: "EPERM",
    "dnotify, high bits": "EPERM",
    lease: "EPERM",
    "huge pages": "EPERM",
    "merge memory": "EPERM",
    "merge memory, high bits": "EPERM",
    "core scheduling": "EPERM",
    udp: "EPROTONOSUPPORT",
    "udp over v6": "EPROTONOSUPPORT",
    "message queue": expect.stringMatching(/^(EMFILE|ENOENT|EROFS|EACCES)$/),
    terminal: expect.stringMatching(/^(ENOENT|ENODEV|EACCES|EPERM)$/),
    "pipe size": "done",
    seals: "done",
    name: "done",
  });
});

test("the times of the host's devices stay as they are", async () => {
  const before = statSync("/dev/null").mtimeMs;
  const { text } = await under.run(`
import os
for path in ("/dev/null", "/dev/zero", "/dev/urandom"):
    try: os.utime(path, (1, 1))
    except OSError: pass
    try: os.utime(path)
    except OSError: pass
print(os.stat("/dev/null").st_mtime)`);
  expect(text()).not.toBe("");
  expect(statSync("/dev/null").mtimeMs).toBe(before);
});
