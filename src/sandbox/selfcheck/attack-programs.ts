import type { Limits } from "../../domain/limits.ts";
import type { ExecutionEnd } from "../../domain/result.ts";
import { type IsolationCheck, isolationChecks } from "../../domain/status.ts";
import { printedBy } from "./run-program.ts";

/** What a program showed. `inconclusive` is the reason why it showed nothing. */
export interface Verdict {
  breaches: ReadonlyArray<{ check: IsolationCheck; words: string }>;
  inconclusive: string | null;
}

/** A small hostile program, and how its result is judged. */
export interface AttackProgram {
  claim: string;
  code(limits: Limits, ownKernel: boolean): string;
  verdict(end: ExecutionEnd): Verdict;
  /** A program of another sandbox that prints `HOLDING` and then stays while this one runs. */
  beside?: string;
}

export const HOLDING = "holding";

const held: Verdict = { breaches: [], inconclusive: null };

/**
 * Tests everything that is visible from inside, and prints each breach as `check: words`. It leaves traces that a later run
 * would find. gVisor shows no seccomp state and answers system calls itself.
 */
const inside: AttackProgram = {
  claim: "sandboxes have no network, no privileges, no writable root and nothing of each other",
  code: (_limits, ownKernel) => `
import ctypes, os, platform, socket
def check(name, holds, words):
    if not holds:
        print(name + ": " + words)
def refused(action):
    try:
        action()
    except OSError:
        return True
    return False
def first_byte(path):
    try:
        return open(path, "rb").read(1)
    except OSError:
        return b""

status = dict(line.rstrip("\\n").split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)
check("privileges", (os.getuid() == 65532 or 40000 <= os.getuid() < 44096) and os.getgid() == 65532, "runs as another user")
for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
    check("privileges", int(status.get(name, "0"), 16) == 0, name + " is not empty")
check("privileges", ${ownKernel ? "True or " : ""}status.get("NoNewPrivs") == "1", "no_new_privs is not set")
check("privileges", refused(lambda: os.setuid(0)), "becomes root")

interfaces = {line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]}
check("network", interfaces <= {"lo"}, "has a network interface besides lo")
def connect():
    with socket.socket() as probe:
        probe.settimeout(0.2)
        probe.connect(("192.0.2.1", 80))
if interfaces <= {"lo"}:
    check("network", refused(connect), "connects to an outside address")

for path in ("/", "/etc", "/usr", "/opt", "/var/tmp", "/sys", "/proc/sys/kernel"):
    check("filesystem", refused(lambda: open(path + "/proof", "w")), path + " can be written")
for path in ("/proc/sysrq-trigger", "/dev/mem", "/var/run/docker.sock"):
    check("filesystem", refused(lambda: open(path, "r+b", 0)), path + " can be opened")
# Where it exists, an empty device masks it, and any process may open that.
check("filesystem", not first_byte("/proc/kcore"), "the kernel's memory can be read")
check("supervisor", refused(lambda: os.kill(1, 0) or open("/proc/1/mem", "rb")), "the supervisor's memory can be opened")

libc = ctypes.CDLL(None, use_errno=True)
def answered(number, *arguments):
    ctypes.set_errno(0)
    return libc.syscall(number, *arguments) != -1 or ctypes.get_errno() not in (1, 38)
if not ${ownKernel ? "True" : "False"}:
    check("syscalls", status.get("Seccomp") == "2", "seccomp does not filter")
    zeros = ctypes.create_string_buffer(120)
    column = {"x86_64": 0, "aarch64": 1}[platform.machine()]
    for name, numbers, arguments in (
        ("io_uring_setup", (425, 425), (8, zeros)),
        ("keyctl", (250, 219), (0, -3, 1)),
        ("add_key", (248, 217), (b"user", b"left behind", b"x", 1, -3)),
        ("bpf", (321, 280), (0, zeros, 120)),
        ("userfaultfd", (323, 282), (0,)),
        ("perf_event_open", (298, 241), (zeros, 0, -1, -1, 0)),
        ("ptrace", (101, 117), (16, 1, 0, 0)),
        ("mount", (165, 40), (None, None, None, 0, None)),
    ):
        check("syscalls", not answered(numbers[column], *arguments), name + " is answered")
    def unshares():
        child = os.fork()
        if child == 0:
            os._exit(0 if libc.syscall((272, 97)[column], 0x10000000) == 0 else 1)
        return os.waitpid(child, 0)[1] == 0
    check("syscalls", not unshares(), "makes a user namespace")

for path in ("/mnt/data/left-behind", "/tmp/left-behind", "/dev/shm/left-behind"):
    check("leftovers", not os.path.exists(path), path + " existed before the program made it")
    open(path, "w").close()
for name, create in (("shmget", lambda flags: libc.shmget(0x1EF7BE41, 4096, flags)), ("msgget", lambda flags: libc.msgget(0x1EF7BE41, flags))):
    check("leftovers", create(0o600) == -1, name + " finds what another sandbox made")
    create(0o1600)
print("checked")
`,
  verdict: (end) => {
    const lines = printedBy(end).split("\n");
    const breaches = lines.flatMap((line) => {
      const check = isolationChecks.find((name) => line.startsWith(`${name}: `));
      return check === undefined ? [] : [{ check, words: line.slice(check.length + 2) }];
    });
    return { breaches, inconclusive: lines.includes("checked") ? null : describe(end) };
  },
};

const memory: AttackProgram = {
  claim: "the memory limit applies",
  code: (limits) => `block = b"x" * ((${limits.memoryMbMax} + 64) << 20)\nprint("allocated")`,
  verdict: (end) =>
    printedBy(end).includes("allocated")
      ? breached("memory", "more than the limit was allocated")
      : endedBy(end, ["memory", "sandbox_lost", "signal"]),
};

const processes: AttackProgram = {
  claim: "the process limit applies",
  code: (limits) => `
import threading
gate = threading.Event()
answer = "started"
try:
    for _ in range(${limits.processesMax}):
        threading.Thread(target=gate.wait, daemon=True).start()
except RuntimeError:
    answer = "refused"
gate.set()
print(answer)`,
  verdict: (end) => {
    const text = printedBy(end);
    if (text === "started") return breached("processes", "more threads than the limit were started");
    return text === "refused" ? held : { breaches: [], inconclusive: describe(end) };
  },
};

const disk: AttackProgram = {
  claim: "the working folder is bounded",
  code: (limits) => `
block = bytes(1 << 20)
with open("filler", "wb") as filler:
    for _ in range(${limits.workingFolderMbMax} + 8):
        filler.write(block)
print("written")`,
  verdict: (end) => (printedBy(end).includes("written") ? breached("disk", "more than the limit was written") : endedBy(end, ["disk"])),
};

/** One sandbox takes what the kernel counts by user, as much as it gets. Another needs a little of each. */
const neighbours: AttackProgram = {
  claim: "a sandbox does not use up what the kernel counts for its neighbours",
  beside: `
import ctypes, fcntl, os, select, socket, time
libc, held = ctypes.CDLL(None), []
def passes():
    held.append(socket.socketpair())
    for _ in range(5): socket.send_fds(held[-1][0], [b"x"], [0] * 250)
def widens():
    held.append(os.pipe())
    fcntl.fcntl(held[-1][1], fcntl.F_SETPIPE_SZ, 1 << 20)
def times():
    if libc.timer_create(1, None, ctypes.byref(ctypes.c_void_p())) < 0: raise OSError("no more")
for take, turns in ((passes, 20), (widens, 40), (times, 20_000), (lambda: libc.inotify_init1(0), 200)):
    try:
        for _ in range(turns): take()
    except OSError: pass
print("${HOLDING}", flush=True)
time.sleep(600)`,
  code: () => `
import ctypes, fcntl, os, socket
missing = []
def need(name, make):
    try: make()
    except OSError as error: missing.append(f"{name}: {error.strerror}")
def timer():
    if ctypes.CDLL(None).timer_create(1, None, ctypes.byref(ctypes.c_void_p())) < 0: raise OSError(11, "refused")
ours, theirs = socket.socketpair()
need("descriptors in transit", lambda: socket.send_fds(ours, [b"x"], [0] * 32))
need("pipe memory", lambda: fcntl.fcntl(os.pipe()[1], fcntl.F_SETPIPE_SZ, 1 << 20))
need("timers", timer)
print(", ".join(missing) or "all there")`,
  verdict: (end) => {
    const text = printedBy(end);
    if (end.status !== "completed") return { breaches: [], inconclusive: describe(end) };
    return text === "all there" ? held : breached("neighbours", `a neighbour takes all: ${text}`);
  },
};

/** gVisor's kernel counts for each sandbox alone. */
export function attackPrograms(ownKernel: boolean): readonly AttackProgram[] {
  return [inside, memory, processes, disk, ...(ownKernel ? [] : [neighbours])];
}

/** How many sandboxes a program needs at once. */
export function sandboxesOf({ beside }: AttackProgram): number {
  return beside === undefined ? 1 : 2;
}

function breached(check: IsolationCheck, words: string): Verdict {
  return { breaches: [{ check, words }], inconclusive: null };
}

function endedBy(end: ExecutionEnd, causes: ReadonlyArray<ExecutionEnd["cause"]>): Verdict {
  return causes.includes(end.cause) ? held : { breaches: [], inconclusive: describe(end) };
}

function describe(end: ExecutionEnd): string {
  return `the program ended ${end.status} (${end.cause ?? "no cause"})`;
}
