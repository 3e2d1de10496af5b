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
import ctypes, errno, fcntl, os, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
def errno_of(call):
    ctypes.set_errno(0)
    try: answer = call()
    except OSError as error: return errno.errorcode[error.errno]
    return "done" if answer is None or answer >= 0 else errno.errorcode[ctypes.get_errno()]
folder = os.open("/usr/lib", os.O_RDONLY)
zeros = ctypes.create_string_buffer(120)
pair = socket.socketpair()[0]
accept_all = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0xffffffff))
program = struct.pack("HxxxxxxP", 1, ctypes.addressof(accept_all))
in_memory = ctypes.create_string_buffer(program)
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
    "socket filter": lambda: pair.setsockopt(socket.SOL_SOCKET, 26, program),
    "socket filter, high bits": lambda: libc.syscall(54, pair.fileno(), 1 | 1 << 40, 26 | 1 << 40, in_memory, 16),
    "socket program": lambda: pair.setsockopt(socket.SOL_SOCKET, 51, program),
    "seccomp filter": lambda: libc.prctl(22, 2, in_memory, 0, 0),
    "netlink": lambda: socket.socket(16, socket.SOCK_RAW).fileno(),
    "packet": lambda: socket.socket(17, socket.SOCK_RAW).fileno(),
    "crypto": lambda: socket.socket(38, socket.SOCK_SEQPACKET).fileno(),
    "vsock": lambda: socket.socket(40, socket.SOCK_STREAM).fileno(),
    "key": lambda: libc.syscall(248, b"user", b"name", b"x", 1, -3),
    "bpf": lambda: libc.syscall(321, 0, zeros, 120),
    "perf events": lambda: libc.syscall(298, zeros, 0, -1, -1, 0),
    "io_uring": lambda: libc.syscall(425, 8, zeros),
    "aio": lambda: libc.syscall(206, 8, zeros),
    "user namespace": lambda: libc.syscall(272, 0x10000000),
    "shared memory": lambda: libc.shmget(0, 4096, 0o600),
    "semaphores": lambda: libc.semget(0, 1, 0o600),
    "message queues": lambda: libc.msgget(0, 0o600),
    "user faults": lambda: libc.syscall(323, 0),
    "message queue": lambda: os.open("/dev/mqueue/a", os.O_CREAT | os.O_RDWR),
    "terminal": lambda: os.open("/dev/ptmx", os.O_RDWR),
    "pipe size": lambda: fcntl.fcntl(os.pipe()[0], fcntl.F_SETPIPE_SZ, 65536),
    "seals": lambda: fcntl.fcntl(libc.memfd_create(b"x", 2), fcntl.F_ADD_SEALS, 1),
    "name": lambda: libc.prctl(15, b"name", 0, 0, 0),
    "keepalive": lambda: pair.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    "no delay": lambda: socket.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    "timeouts": lambda: [pair.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", 1, 0)) for option in (20, 21, 66, 67)][0],
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
    "socket filter": "EPERM",
    "socket filter, high bits": "EPERM",
    "socket program": "EPERM",
    "seccomp filter": "EPERM",
    netlink: "EPERM",
    packet: "EPERM",
    crypto: "EPERM",
    vsock: "EPERM",
    key: "EPERM",
    bpf: "EPERM",
    "perf events": "EPERM",
    io_uring: "EPERM",
    aio: "EPERM",
    "user namespace": "EPERM",
    "shared memory": "EPERM",
    semaphores: "EPERM",
    "message queues": "EPERM",
    "user faults": "EPERM",
    "message queue": expect.stringMatching(/^(EMFILE|ENOENT|EROFS|EACCES)$/),
    terminal: expect.stringMatching(/^(ENOENT|ENODEV|EACCES|EPERM)$/),
    "pipe size": "done",
    seals: "done",
    name: "done",
    keepalive: "done",
    "no delay": "done",
    timeouts: "done",
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
