# attack: leaves names of maximum length, and paths that exceed the maximum
# verdict: completed
# prints: made
# files: *
import os

for letter in "ab":
    with open(letter * 255, "w") as file:
        file.write("x")
with open("é" * 127, "w") as file:
    file.write("x")
for depth in range(30):
    os.mkdir("d" * 255)
    os.chdir("d" * 255)
    with open("f" * 255, "w") as file:
        file.write("x")
print("made")
