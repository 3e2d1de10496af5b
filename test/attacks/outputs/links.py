# attack: leaves links to system files for the collector to follow
# verdict: completed
# prints: made
# never prints: root:x:0
# files: ["honest.txt"]
import os

for name, target in (("passwd", "/etc/passwd"), ("etc", "/etc"), ("root", "/"), ("supervisor", "/proc/1/environ"), ("descriptor", "/proc/self/fd/0"), ("loop", "loop"),
                     ("dangling", "/nowhere"), ("up", ".."), ("itself", "."), ("long", "a" * 4000), ("zero", "/dev/zero")):
    os.symlink(target, name)
os.mkdir("folder")
os.symlink("/etc", "folder/etc")
try:
    os.link("/etc/passwd", "hard-link")
except OSError:
    pass
with open("honest.txt", "w") as file:
    file.write("honest")
print("made")
