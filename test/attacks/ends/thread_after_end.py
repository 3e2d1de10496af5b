# attack: a daemon thread prints on after the end
# verdict: completed
# prints: before
import threading


def work():
    while True:
        print("more")


print("before")
threading.Thread(target=work, daemon=True).start()
