# attack: displays a million values
# verdict: completed | incomplete timeout
# prints: before
# timeout_ms: 5000
print("before")
for number in range(10**6):
    display({"text/html": "x"}, raw=True)
