# attack: opens sockets of every family, as each is an attack surface of the kernel
# verdict: completed
# prints: blocked
# runtime: runc (gVisor's own kernel answers netlink, and has no network behind it)
import errno
import socket

allowed = {socket.AF_UNIX, socket.AF_INET, socket.AF_INET6}
opened = []
for family in range(1, 64):
    if family in allowed:
        continue
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        try:
            socket.socket(family, kind).close()
            opened.append((family, kind))
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT, errno.EINVAL):
                opened.append((family, kind, error.errno))
print(f"breached: {opened}" if opened else "blocked")
