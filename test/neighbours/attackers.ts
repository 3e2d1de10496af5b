/** A program that uses up something that the kernel counts beside the cgroup, prints "holding" and keeps it. */
export interface Attacker {
  name: string;
  code: string;
}

const hold = `
print("holding", flush=True)
time.sleep(60)
`;

export const attackers: readonly Attacker[] = [
  {
    name: "descriptors in transit",
    code: `
import os, socket, time
pairs = []
try:
    for _ in range(60):
        pairs.append(socket.socketpair())
        for _ in range(5): pairs[-1][0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, b"".join((1).to_bytes(4, "little") for _ in range(250)))])
except OSError: pass
${hold}`,
  },
  {
    name: "inotify instances",
    code: `
import ctypes, time
libc = ctypes.CDLL(None)
held = [libc.inotify_init1(0) for _ in range(600)]
${hold}`,
  },
  {
    name: "queued signals and timers",
    code: `
import ctypes, time
libc = ctypes.CDLL(None)
timer = ctypes.c_void_p()
for _ in range(100_000):
    if libc.timer_create(1, None, ctypes.byref(timer)) < 0: break
${hold}`,
  },
  {
    name: "POSIX message queues",
    code: `
import os, time
for at in range(300):
    try: os.close(os.open(f"/dev/mqueue/{at}", os.O_CREAT | os.O_RDWR, 0o600))
    except OSError: break
${hold}`,
  },
  {
    name: "pipe memory",
    code: `
import fcntl, os, time
held = []
try:
    for _ in range(400):
        held.append(os.pipe())
        fcntl.fcntl(held[-1][1], fcntl.F_SETPIPE_SZ, 1 << 20)
except OSError: pass
${hold}`,
  },
  {
    name: "pseudo-terminals",
    code: `
import os, time
held = []
def take():
    try:
        while True: held.append(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY))
    except OSError: pass
for _ in range(8):
    if os.fork() == 0:
        take(); time.sleep(60); os._exit(0)
time.sleep(1)
${hold}`,
  },
  {
    name: "epoll watches",
    code: `
import os, select, time
held = []
try:
    for _ in range(400):
        poll = select.epoll()
        held.append(poll)
        for fd in range(3): poll.register(fd)
except OSError: pass
${hold}`,
  },
  {
    name: "socket memory",
    code: `
import socket, time
server = socket.create_server(("127.0.0.1", 0), backlog=400)
held, total = [], 0
try:
    for _ in range(400):
        client = socket.create_connection(server.getsockname(), timeout=1)
        held += [client, server.accept()[0]]
        client.setblocking(False)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF): held[-1].setsockopt(socket.SOL_SOCKET, option, 1 << 22); client.setsockopt(socket.SOL_SOCKET, option, 1 << 22)
        try:
            while True: total += client.send(b"x" * 65_536)
        except OSError: pass
except OSError: pass
print("bytes", total)
${hold}`,
  },
  {
    name: "queued real-time signals",
    code: `
import ctypes, os, signal, time
libc = ctypes.CDLL(None)
signal.pthread_sigmask(signal.SIG_BLOCK, range(signal.SIGRTMIN, signal.SIGRTMAX))
def queue():
    while libc.sigqueue(os.getpid(), signal.SIGRTMIN, None) == 0: pass
for _ in range(16):
    if os.fork() == 0:
        queue(); time.sleep(60); os._exit(0)
time.sleep(1)
queue()
${hold}`,
  },
  {
    name: "open files",
    code: `
import os, time
def take():
    held = []
    try:
        while True: held.append(os.eventfd(0))
    except OSError: time.sleep(60)
for _ in range(40):
    if os.fork() == 0: take()
time.sleep(2)
${hold}`,
  },
  {
    name: "record locks",
    code: `
import fcntl, time
file = open("/tmp/locked", "w")
try:
    for at in range(10_000): fcntl.lockf(file, fcntl.LOCK_EX, 1, at * 2)
except OSError: pass
${hold}`,
  },
  {
    name: "filters of sockets",
    code: `
import ctypes, os, socket, struct, time
accept = ctypes.create_string_buffer(struct.pack("HBBI", 4, 0, 0, 1) * 3_999 + struct.pack("HBBI", 6, 0, 0, 0xffffffff))
program = struct.pack("HxxxxxxP", 4_000, ctypes.addressof(accept))
read, write = os.pipe()
for _ in range(4):
    if os.fork() == 0:
        held = []
        try:
            while True:
                held.append(socket.socket(socket.AF_UNIX)); held[-1].setsockopt(socket.SOL_SOCKET, 26, program)
        except OSError: os.write(write, len(held).to_bytes(4, "little")); time.sleep(60)
# Each filter has its instructions twice, and as machine code.
filters = sum(int.from_bytes(os.read(read, 4), "little") - 1 for _ in range(4))
print("bytes", filters * 96 * 1024)
${hold}`,
  },
  {
    name: "locks on files of the image",
    code: `
import fcntl, os, time
held = []
for path in ("/", "/etc/passwd", "/usr/bin/python3", "/dev/null", "/dev/urandom"):
    try:
        held.append(os.open(path, os.O_RDONLY)); fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError: pass
${hold}`,
  },
];

/** What a neighbour needs, each once. It prints one word for each thing that it did not get. */
export const neighbour = `
import ctypes, fcntl, os, select, signal, socket, subprocess
libc = ctypes.CDLL(None)
missing = []
def need(name, make):
    try: make()
    except OSError as error: missing.append(f"{name}: {error}")
def pass_descriptors():
    ours, theirs = socket.socketpair(); socket.send_fds(ours, [b"x"], [0] * 32)
def make_timer():
    timer = ctypes.c_void_p()
    if libc.timer_create(1, None, ctypes.byref(timer)) < 0: raise OSError("refused")
def granted(answer):
    if answer < 0: raise OSError("refused")
def widen_pipe():
    fcntl.fcntl(os.pipe()[1], fcntl.F_SETPIPE_SZ, 1 << 20)
def lock(path):
    fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
def talk():
    server = socket.create_server(("127.0.0.1", 0)); client = socket.create_connection(server.getsockname(), timeout=5); client.sendall(b"x" * 65_536)
need("descriptors", pass_descriptors); need("timer", make_timer); need("pipe", widen_pipe); need("epoll", lambda: select.epoll().register(0)); need("tcp", talk)
for path in ("/", "/etc/passwd", "/usr/bin/python3"): need("lock " + path, lambda: lock(path))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
need("signal", lambda: granted(libc.sigqueue(os.getpid(), signal.SIGRTMIN, None)))
need("files", lambda: [os.eventfd(0) for _ in range(500)])
need("record lock", lambda: fcntl.lockf(open("/tmp/mine", "w"), fcntl.LOCK_EX, 1, 0))
need("process", lambda: subprocess.run(["true"], check=True))
print(missing or "all there")
`;
