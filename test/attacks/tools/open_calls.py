# attack: holds more calls open than allowed, past the client in the sandbox
# verdict: completed
# prints: done
# calls: at most 32
for at in range(100):
    send({"call": at + 1, "name": "silent"})
print("done")
