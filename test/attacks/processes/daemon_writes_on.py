# attack: leaves grandchildren that go on printing and changing files while they are collected
# verdict: completed
# prints: parent has ended
# files: ["kept.txt"]
import os

with open("kept.txt", "w") as file:
    file.write("whole")
for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            number = 0
            while True:
                number += 1
                try:
                    os.write(1, b"still printing\n")
                    os.symlink("/etc/passwd", f"link-{os.getpid()}-{number}")
                    os.unlink(f"link-{os.getpid()}-{number}")
                except OSError:
                    pass
        os._exit(0)
print("parent has ended")
