# attack: makes the compiler recurse and swell
# verdict: completed | failed exception | failed signal | incomplete memory
# prints: before
# timeout_ms: 15000
# ends the sandbox: runsc (memory is the whole sandbox's: the kernel inside it dies with the program)
print("before")
for source in ("(" * 100_000, "-" * 1_000_000 + "1", "a" + ".b" * 500_000, "[" * 150 + "]" * 150, "lambda: " * 50_000 + "1", "f'{" * 500, "x = " * 100_000 + "1"):
    try:
        compile(source, "deep", "exec")
    except (SyntaxError, MemoryError, RecursionError, ValueError):
        pass
