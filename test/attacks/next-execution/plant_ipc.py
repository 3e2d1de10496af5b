# attack: leaves messages for the next execution in every kind of shared memory, semaphore and queue
# verdict: completed
# prints: planted
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
for key in (0, 0x5EC2E7, 1234):
    libc.shmget(key, 4096, 0o1666)
    libc.semget(key, 4, 0o1666)
    libc.msgget(key, 0o1666)
for name in ("planted", "sem.planted"):
    with open(f"/dev/shm/{name}", "w") as file:
        file.write("planted")
libc.mq_open(b"/planted", os.O_CREAT | os.O_RDWR, 0o666, None)
print("planted")
