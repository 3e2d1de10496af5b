# attack: leaves calls open when it ends
# verdict: completed
# prints: done
# calls: at most 20
import threading

for _ in range(20):
    threading.Thread(target=silent, daemon=True).start()
print("done")
