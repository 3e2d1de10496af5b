# attack: handles page faults itself with userfaultfd
# verdict: completed
# prints: blocked
import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
answers = []
for flags in (0, 1, 0o2000000, 0o4000):
    result = libc.syscall(323, flags)
    if result != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
        answers.append((flags, result, ctypes.get_errno()))
print(f"breached: {answers}" if answers else "blocked")
