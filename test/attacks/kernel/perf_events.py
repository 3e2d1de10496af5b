# attack: counts CPU events, which can reveal other processes
# verdict: completed
# prints: blocked
import ctypes
import errno
import struct

libc = ctypes.CDLL(None, use_errno=True)
answers = []
for kind, config in ((0, 0), (1, 1), (2, 0)):
    attributes = ctypes.create_string_buffer(struct.pack("IIQQQQQ", kind, 112, config, 0, 0, 0, 1), 112)
    for process, cpu in ((0, -1), (-1, 0), (1, -1)):
        result = libc.syscall(298, attributes, process, cpu, -1, 0)
        if result != -1 or ctypes.get_errno() not in (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENODEV):
            answers.append((kind, process, result, ctypes.get_errno()))
print(f"breached: {answers}" if answers else "blocked")
