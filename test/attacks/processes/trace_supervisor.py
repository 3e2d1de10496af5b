# attack: traces its supervisor, reads and writes its memory, takes its descriptors
# verdict: completed
# prints: blocked
# runtime: runc (gVisor shows processes of the same user; they hold only the program's own data)
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
done = []
for request in (16, 0x4206):
    if libc.ptrace(request, 1, None, None) != -1:
        done.append(("ptrace", request))


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("bytes", ctypes.c_size_t)]


page = ctypes.create_string_buffer(8)
here = Vector(ctypes.addressof(page), 8)
# The supervisor was the same program before it forked: its addresses are ours.
there = Vector(id(done), 8)
for number in (310, 311):
    if libc.syscall(number, 1, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) != -1:
        done.append(("process_vm", number))
try:
    first = os.pidfd_open(1)
    for descriptor in range(8):
        if libc.syscall(438, first, descriptor, 0) != -1:
            done.append(("pidfd_getfd", descriptor))
except OSError:
    pass
for path in ("/proc/1/mem", "/proc/1/maps", "/proc/1/environ", "/proc/1/task/1/mem", "/proc/1/pagemap", "/proc/1/smaps", "/proc/1/auxv"):
    for mode in (os.O_RDONLY, os.O_RDWR):
        try:
            file = os.open(path, mode)
            os.read(file, 1)
            done.append((path, mode))
        except OSError:
            pass
print(f"breached: {done}" if done else "blocked")
