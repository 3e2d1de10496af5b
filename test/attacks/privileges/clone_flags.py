# attack: creates namespaces with clone and clone3, which a filter of unshare may miss
# verdict: completed
# prints: blocked
# runtime: runc (gVisor's kernel may allow it: its namespaces are not the host's)
import ctypes
import os
import signal

libc = ctypes.CDLL(None, use_errno=True)
done = []
for flag in (0x10000000, 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000, 0x2000000):
    for extra in (0, 0x10000000):
        child = libc.syscall(56, flag | extra | signal.SIGCHLD, None, None, None, None)
        if child == 0:
            os._exit(0)
        if child > 0:
            os.waitpid(child, 0)
            done.append(("clone", hex(flag | extra)))
        # flags, pidfd, child_tid, parent_tid, exit_signal, …
        arguments = (ctypes.c_uint64 * 11)(flag | extra, 0, 0, 0, signal.SIGCHLD)
        child = libc.syscall(435, arguments, ctypes.sizeof(arguments))
        if child == 0:
            os._exit(0)
        if child > 0:
            os.waitpid(child, 0)
            done.append(("clone3", hex(flag | extra)))
print(f"breached: {done}" if done else "blocked")
