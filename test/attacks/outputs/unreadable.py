# attack: leaves files and folders that the collector may not open
# verdict: completed
# prints: made
# files: ["honest.txt"]
import os

with open("honest.txt", "w") as file:
    file.write("honest")
with open("secret.txt", "w") as file:
    file.write("x")
os.chmod("secret.txt", 0)
os.mkdir("closed")
with open("closed/inside.txt", "w") as file:
    file.write("x")
os.chmod("closed", 0)
print("made")
