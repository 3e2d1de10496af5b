# attack: leaves one file under a thousand names
# verdict: completed
# prints: made
# files: ["name-0000"]
import os

with open("name-0000", "w") as file:
    file.write("x" * 1000)
for number in range(1, 1000):
    os.link("name-0000", f"name-{number:04}")
print("made")
