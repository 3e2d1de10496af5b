# attack: sends arguments that its tool does not take, past the checks in the sandbox
# verdict: completed
# prints: done
# calls: none
for at, body in enumerate((b"[]", b"null", b"{", b"", b'{"x": "no"}', b'{"y": 1}', b"\xff\xfe", b"[" * 5000)):
    send({"call": at + 1, "name": "echo"}, body)
print("done")
