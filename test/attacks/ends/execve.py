# attack: replaces itself by a shell
# verdict: failed exit
# prints: shell
# files: ["fds.txt"]
import os

os.execv("/bin/sh", ["sh", "-c", "echo shell; ls /proc/self/fd > fds.txt; exit 3"])
