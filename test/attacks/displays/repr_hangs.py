# attack: ends with a value whose repr never returns
# verdict: incomplete timeout
# prints: before
# timeout_ms: 2000
class Slow:
    def __repr__(self):
        while True:
            pass


print("before")
Slow()
