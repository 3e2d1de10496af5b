# attack: shows JSON nested so deep that a recursive reader or writer breaks
# verdict: completed | incomplete memory
# prints: before
print("before")
value = []
for _ in range(200_000):
    value = [value]
circle = {}
circle["itself"] = circle
for hostile in (value, circle):
    try:
        display({"application/json": hostile}, raw=True)
    except ValueError:
        pass
display({"application/json": {"__proto__": {"polluted": True}, "constructor": {"prototype": {"polluted": True}}}}, raw=True)
print("after")
