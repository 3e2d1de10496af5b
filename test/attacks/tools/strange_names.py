# attack: gives names that are no texts
# verdict: completed
# prints: done
# calls: none
for name in (["echo"], {"echo": 1}, 1, None, "echo\0", "e" * 900):
    send({"call": 1, "name": name})
print("done")
