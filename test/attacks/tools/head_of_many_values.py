# attack: hides a heavy head in a call
# verdict: completed
# prints: done
# calls: none
send({"call": 1, "name": "echo", "more": [[]] * 300})
print("done")
