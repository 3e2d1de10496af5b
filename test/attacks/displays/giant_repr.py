# attack: ends with a value whose repr is a gigabyte
# verdict: completed | incomplete memory
# timeout_ms: 15000
# prints: before
# ends the sandbox: runsc (memory belongs to the whole sandbox: gVisor's kernel dies with the program)


class Giant:
    def __repr__(self):
        return "x" * (100 << 20)


print("before")
[Giant() for _ in range(10)]
