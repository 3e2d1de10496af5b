# attack: calls a tool that was not declared
# verdict: completed
# prints: done
# calls: none
send({"call": 1, "name": "system"})
send({"call": 2, "name": "__import__"})
print("done")
