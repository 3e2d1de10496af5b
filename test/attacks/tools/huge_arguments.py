# attack: sends arguments above the limit
# verdict: completed
# prints: done
# calls: none
send({"call": 1, "name": "echo"}, b'{"x": "' + b"a" * (2 << 20) + b'"}')
print("done")
