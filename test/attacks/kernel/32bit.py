# attack: makes 32-bit and x32 system calls, which a 64-bit filter may miss
# verdict: completed
# prints: blocked
import ctypes
import mmap
import os

libc = ctypes.CDLL(None, use_errno=True)
passed = []


def machine_code(code):
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    return ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page))), page


# mov eax, 20 (getpid); int 0x80; ret
int80 = bytes.fromhex("b814000000cd80c3")
# mov eax, 0x40000027 (getpid of x32); syscall; ret
x32 = bytes.fromhex("b8270000400f05c3")
for name, code in (("int 0x80", int80), ("x32", x32)):
    child = os.fork()
    if child == 0:
        call, page = machine_code(code)
        answer = call()
        os._exit(42 if answer in (os.getpid(), os.getpid() & 0xFFFFFFFF) else 0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 42:
        passed.append(name)
print(f"breached: {passed}" if passed else "blocked")
