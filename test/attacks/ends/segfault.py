# attack: crashes the interpreter
# verdict: failed signal
# prints: before
import ctypes

print("before")
ctypes.string_at(0)
