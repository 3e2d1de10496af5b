# attack: sets up io_uring, whose requests bypass syscall filters
# verdict: completed
# prints: blocked
# runtime: runc (gVisor's kernel handles the call; the host's never sees it)
import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
parameters = (ctypes.c_uint32 * 30)()
answers = []
for number, arguments in ((425, (8, ctypes.byref(parameters))), (426, (0, 1, 0, 0, None, 0)), (427, (0, 0, None, 0))):
    result = libc.syscall(number, *arguments)
    if result != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
        answers.append((number, result, ctypes.get_errno()))
print(f"breached: {answers}" if answers else "blocked")
