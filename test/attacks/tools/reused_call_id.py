# attack: reuses the id of a call that is open
# verdict: completed
# prints: done
# calls: at most 1
for _ in range(5):
    send({"call": 7, "name": "silent"})
print("done")
