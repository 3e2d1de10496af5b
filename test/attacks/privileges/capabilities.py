# attack: gives itself capabilities, in its process and on files, and clears no_new_privs
# verdict: completed
# prints: blocked
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
done = []
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
if libc.syscall(126, header, (ctypes.c_uint32 * 6)(0xFFFFFFFF, 0xFFFFFFFF, 0, 0xFF, 0xFF, 0)) != -1:
    done.append("capset")
for capability in range(41):
    if libc.prctl(47, 2, capability, 0, 0) == 0:
        done.append(("ambient", capability))
    if libc.prctl(23, capability, 0, 0, 0) == 1:
        done.append(("bounding", capability))
if libc.prctl(38, 0, 0, 0, 0) == 0:
    done.append("no_new_privs taken back")
open("/tmp/program", "w").close()
for name in ("security.capability", "trusted.overlay.opaque"):
    try:
        os.setxattr("/tmp/program", name, bytes.fromhex("0100000202000000000000000000000000000000"))
        done.append(name)
    except OSError:
        pass
status = dict(line.rstrip("\n").split(":\t", 1) for line in open("/proc/self/status") if ":\t" in line)
done += [name for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(status.get(name, "0"), 16)]
print(f"breached: {done}" if done else "blocked")
