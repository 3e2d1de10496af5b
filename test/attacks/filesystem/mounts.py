# attack: mounts, remounts writable, unmounts, pivots the root, uses the new mount calls
# verdict: completed
# prints: blocked
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
os.makedirs("/tmp/a", exist_ok=True)
done = []


def attempt(name, result):
    if result != -1:
        done.append(name)


attempt("tmpfs", libc.mount(b"none", b"/tmp/a", b"tmpfs", 0, None))
attempt("proc", libc.mount(b"proc", b"/tmp/a", b"proc", 0, None))
attempt("bind", libc.mount(b"/etc", b"/tmp/a", None, 4096, None))
attempt("remount", libc.mount(None, b"/", None, 32, None))
attempt("remount bind", libc.mount(None, b"/", None, 32 | 4096, None))
attempt("suid tmp", libc.mount(None, b"/tmp", None, 32, None))
attempt("unmount", libc.umount2(b"/proc/sys", 2))
attempt("unmount data", libc.umount2(b"/mnt/data", 2))
attempt("pivot_root", libc.syscall(155, b"/tmp", b"/tmp/a"))
attempt("chroot", libc.chroot(b"/tmp"))
attempt("open_tree", libc.syscall(428, -100, b"/", 1))
attempt("move_mount", libc.syscall(429, -100, b"/tmp", -100, b"/tmp/a", 0))
attempt("fsopen", libc.syscall(430, b"tmpfs", 0))
attempt("fspick", libc.syscall(433, -100, b"/", 0))
attempt("mount_setattr", libc.syscall(442, -100, b"/", 0, (ctypes.c_uint64 * 4)(), 32))
print(f"breached: {done}" if done else "blocked")
