# attack: loads a program and makes a map with bpf
# verdict: completed
# prints: blocked
import ctypes
import errno
import struct

libc = ctypes.CDLL(None, use_errno=True)
answers = []
for command, body in ((0, struct.pack("IIIII", 2, 4, 4, 1, 0)), (5, struct.pack("IIQQ", 1, 1, 0, 0))):
    attributes = ctypes.create_string_buffer(body, 120)
    result = libc.syscall(321, command, attributes, 120)
    if result != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
        answers.append((command, result, ctypes.get_errno()))
print(f"breached: {answers}" if answers else "blocked")
