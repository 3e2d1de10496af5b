# attack: makes the compiler recurse and use much memory
# verdict: completed | failed exception | failed signal | incomplete memory
# prints: before
# timeout_ms: 15000
# ends the sandbox: runsc (memory belongs to the whole sandbox: gVisor's kernel dies with the program)
print("before")
for source in ("(" * 100_000, "-" * 1_000_000 + "1", "a" + ".b" * 500_000, "[" * 150 + "]" * 150, "lambda: " * 50_000 + "1", "f'{" * 500, "x = " * 100_000 + "1"):
    try:
        compile(source, "deep", "exec")
    except (SyntaxError, MemoryError, RecursionError, ValueError):
        pass
