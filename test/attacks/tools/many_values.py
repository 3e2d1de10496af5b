# attack: sends a million values as arguments
# verdict: completed
# prints: done
# calls: none
send({"call": 1, "name": "echo"}, b'{"x": [' + b"0," * 500_000 + b"0]}")
print("done")
