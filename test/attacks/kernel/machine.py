# attack: loads kernel modules, another kernel, swaps, reboots, opens i/o ports, accounts, quotas, watches all files
# verdict: completed
# prints: blocked
# runtime: runc (gVisor's kernel handles some of these calls, without effect outside)
import ctypes
import errno
import os

libc = ctypes.CDLL(None, use_errno=True)
open("/tmp/file", "w").close()
file = os.open("/tmp/file", os.O_RDWR)
calls = {
    "init_module": (175, b"x", 1, b""), "finit_module": (313, file, b"", 0), "delete_module": (176, b"loop", 0), "kexec_load": (246, 0, 0, None, 0),
    "kexec_file_load": (320, file, file, 0, b"", 0), "iopl": (172, 3), "ioperm": (173, 0x80, 1, 1), "swapon": (167, b"/tmp/file", 0), "swapoff": (168, b"/tmp/file"),
    "acct": (163, b"/tmp/file"), "quotactl": (179, 0, b"/dev/vda", 0, None), "fanotify_init": (300, 0, 0), "vhangup": (153,), "syslog": (103, 3, None, 0),
    "lookup_dcookie": (212, 0, None, 0), "kcmp": (312, os.getpid(), 1, 0, 0, 0), "process_madvise": (440, 0, None, 0, 4, 0), "memfd_secret": (447, 0),
    "pidfd_getfd": (438, 0, 0, 0), "move_pages": (279, 0, 0, None, None, None, 0), "mbind": (237, None, 0, 0, None, 0, 0), "modify_ldt": (154, 0, None, 0),
    "remap_file_pages": (216, None, 0, 0, 0, 0), "uselib": (134, b"/tmp/file"), "ustat": (136, 0, None), "nfsservctl": (180, 0, None, None), "landlock": (444, None, 0, 1),
}
answers = []
for name, (number, *arguments) in calls.items():
    result = libc.syscall(number, *arguments)
    if result != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
        answers.append((name, result, ctypes.get_errno()))
# With wrong magic numbers: with the right ones, success would stop the machine.
if libc.syscall(169, 0, 0, 0, None) != -1 or ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS):
    answers.append("reboot")
print(f"breached: {answers}" if answers else "blocked")
