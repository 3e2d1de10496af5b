# attack: prints NULs, lone surrogates, terminal commands and direction marks
# verdict: completed
# prints: blocked
import sys

print("\0" * 1000, "\x1b[2J\x1b]0;title\x07\x1b[31m", "\u202e\u2066\ufeff\ufffe", "\r\b\b\b")
sys.stdout.buffer.write("\ud800\udfff\udc80".encode("utf-8", "surrogatepass"))
sys.stdout.flush()
try:
    print("\ud800")
except UnicodeEncodeError:
    pass
print("blocked")
"\ud800 \0 \x1b[31m"
