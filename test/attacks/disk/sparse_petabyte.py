# attack: leaves a file of a petabyte that needs no space
# verdict: completed
# prints: blocked
# files: []
sizes = []
for size in (1 << 50, 1 << 40, 1 << 30, (128 << 20) + 1):
    try:
        with open("sparse", "wb") as file:
            file.truncate(size)
            sizes.append(size)
    except OSError:
        pass
with open("sparse", "wb") as file:
    file.truncate(100 << 20)
print(f"breached: {sizes}" if sizes else "blocked")
