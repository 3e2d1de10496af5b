# attack: gives calls ids that are no small numbers
# verdict: completed
# prints: done
# calls: none
for call in (-1, 0, 2**40, 1.5, "1", None, True, [1], {}):
    send({"call": call, "name": "echo"})
print("done")
