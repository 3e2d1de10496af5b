import type { ExecutionEnd } from "../execution/result.ts";
import type { Engine } from "../execution/run.ts";
import type { Limits } from "../limits.ts";

/** One thing that must hold of every sandbox, with the program that shows it. */
interface Proof {
  claim: string;
  code: (limits: Limits) => string;
  /** What is wrong with how the program ended; null when the claim holds. */
  problem: (end: ExecutionEnd) => string | null;
}

export interface SelfProofOptions {
  engine: Engine;
  limits: Limits;
  /** A runtime with a kernel of its own shows no seccomp state and counts no kills. */
  ownKernel: boolean;
}

/**
 * Proves the lockdown on real sandboxes; returns what does not hold, in words. A worker that finds anything must not
 * serve: a limit that silently does not apply is worse than no service.
 */
export async function proveLockdown(options: SelfProofOptions): Promise<string[]> {
  const proofs = [isolation(options.ownKernel), memoryLimit, processLimit, diskLimit];
  const problems: string[] = [];
  for (const proof of proofs) {
    const end = await options.engine.run(proofInput(proof.code(options.limits), options.limits), silentPorts, new AbortController().signal);
    const problem = proof.problem(end);
    if (problem !== null) problems.push(`${proof.claim}: ${problem}`);
  }
  return problems;
}

const silentPorts = {
  openFile: () => Promise.reject(new Error("a proof has no input files")),
  saveFile: () => Promise.reject(new Error("a proof keeps no files")),
  emit: () => Promise.resolve(),
};

function proofInput(code: string, limits: Limits) {
  return {
    id: "self-proof",
    organization: "self-proof",
    attempt: 1,
    code,
    args: [],
    stdin: "",
    env: {},
    files: [],
    timeoutMs: limits.runTimeoutMsMax,
    memoryMb: limits.memoryMbMax,
  };
}

/** Everything that can be read off inside, in one program; it prints what does not hold. */
function isolation(ownKernel: boolean): Proof {
  return {
    claim: "sandboxes have no network, no privileges and no writable root",
    code: () => `
import os, socket
status = dict(line.rstrip("\\n").split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)
def check(holds, words):
    if not holds:
        print(words)
def refused(action):
    try:
        action()
    except OSError:
        return True
    return False
check(os.getuid() == 65532 and os.getgid() == 65532, "runs as another user")
for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
    check(int(status.get(name, "0"), 16) == 0, name + " is not empty")
check(${ownKernel ? "True or " : ""}status.get("NoNewPrivs") == "1", "no_new_privs is not set")
check(${ownKernel ? "True or " : ""}status.get("Seccomp") == "2", "seccomp does not filter")
interfaces = {line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]}
check(interfaces <= {"lo"}, "has a network interface besides lo")
def connect():
    with socket.socket() as probe:
        probe.settimeout(0.2)
        probe.connect(("192.0.2.1", 80))
check(refused(connect), "connects to an outside address")
for path in ("/", "/etc", "/usr", "/opt", "/var/tmp", "/sys", "/proc/sys/kernel"):
    check(refused(lambda: open(path + "/proof", "w")), path + " can be written")
check(refused(lambda: os.kill(1, 0) or open("/proc/1/mem", "rb")), "the supervisor's memory can be opened")
print("checked")
`,
    problem: (end) => {
      const text = textOf(end);
      if (end.status !== "completed") return describe(end);
      return text === "checked"
        ? null
        : text
            .split("\n")
            .filter((line) => line !== "checked")
            .join(", ");
    },
  };
}

const memoryLimit: Proof = {
  claim: "the memory limit applies",
  code: (limits) => `block = b"x" * ((${limits.memoryMbMax} + 64) << 20)\nprint("allocated")`,
  problem: (end) =>
    textOf(end).includes("allocated") ? "more than the limit was allocated" : expectCause(end, ["memory", "sandbox_lost", "signal"]),
};

const processLimit: Proof = {
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
  problem: (end) => {
    if (end.status !== "completed") return describe(end);
    return textOf(end) === "refused" ? null : "more threads than the limit were started";
  },
};

const diskLimit: Proof = {
  claim: "the working folder is bounded",
  code: (limits) => `
block = bytes(1 << 20)
with open("filler", "wb") as filler:
    for _ in range(${limits.workingFolderMbMax} + 8):
        filler.write(block)
print("written")`,
  problem: (end) => (textOf(end).includes("written") ? "more than the limit was written" : expectCause(end, ["disk"])),
};

function expectCause(end: ExecutionEnd, causes: ReadonlyArray<ExecutionEnd["cause"]>): string | null {
  return causes.includes(end.cause) ? null : describe(end);
}

function describe(end: ExecutionEnd): string {
  return `the proof ended ${end.status} (${end.cause ?? "no cause"})`;
}

function textOf(end: ExecutionEnd): string {
  return end.outputs.map((output) => (output.type === "text" ? output.text : "")).join("");
}
