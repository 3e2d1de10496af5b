# attack: floods the socket with calls that are refused
# verdict: completed | incomplete timeout
# timeout_ms: 8000
# calls: none
for at in range(200_000):
    send({"call": at + 1, "name": "nothing"})
print("done")
