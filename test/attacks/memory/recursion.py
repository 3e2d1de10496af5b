# attack: recurses forever
# verdict: failed exception
# prints: before
print("before")


def again(depth):
    return again(depth + 1)


again(0)
