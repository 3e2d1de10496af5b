# attack: leaves shared memory and keys for the next execution, and takes those of the one before
# verdict: completed
# prints: blocked
# twice: every line differs
import ctypes
import os
import secrets

libc = ctypes.CDLL(None, use_errno=True)
found = []
KEY = 0x5EC4E7
if libc.shmget(KEY, 4096, 0o666) >= 0:
    found.append("shared memory of another execution")
if libc.semget(KEY, 1, 0o666) >= 0 or libc.msgget(KEY, 0o666) >= 0:
    found.append("semaphores or messages of another execution")
libc.shmget(KEY, 4096, 0o1666)
libc.msgget(KEY, 0o1666)
for keyring in (-1, -2, -3, -4, -5):
    if libc.syscall(248, b"user", b"planted", b"value", 5, keyring) >= 0:
        found.append(("key added", keyring))
if os.path.exists("/dev/shm/planted"):
    found.append("/dev/shm")
open("/dev/shm/planted", "w").close()
print(f"breached: {found}" if found else f"blocked {secrets.token_hex()}")
