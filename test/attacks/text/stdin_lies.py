# attack: waits for input that never arrives
# verdict: failed exception
# prints: before
print("before")
input("password: ")
