# attack: waits for input that never comes
# verdict: failed exception
# prints: before
print("before")
input("password: ")
