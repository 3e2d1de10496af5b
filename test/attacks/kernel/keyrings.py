# attack: plants a key in the kernel's keyrings, which belong to a uid and not to a container
# verdict: completed
# prints: blocked
# runtime: runc (gVisor's kernel handles the call; the host's never sees it)
import ctypes
import errno

libc = ctypes.CDLL(None, use_errno=True)
answers = []
for ring in (-1, -2, -3, -4, -5):
    for number, arguments in ((248, (b"user", b"planted", b"secret", 6, ring)), (249, (b"user", b"planted", None, ring)), (250, (0, ring, 1, 0, 0)), (250, (6, ring, None, 0, 0))):
        result = libc.syscall(number, *arguments)
        if result != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
            answers.append((number, ring, result, ctypes.get_errno()))
print(f"breached: {answers}" if answers else "blocked")
