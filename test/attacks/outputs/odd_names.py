# attack: leaves files with names that break lists, shells, terminals and headers
# verdict: completed
# prints: made
# files: ["-rf", " ", "%2e%2e%2fescape", "$(reboot)", "'; drop table files; --", "a b", "con"]
import os

names = [b"-rf", b" ", b"%2e%2e%2fescape", b"$(reboot)", b"'; drop table files; --", b"a b", b"con", b"...",
         b"new\nline", b"carriage\rreturn", b"tab\t", b"\x1b[2Jansi", b"\xff\xfe invalid", b"\xed\xa0\x80", b"back\\slash", b"..\\..\\escape", b"bell\x07", b"del\x7f"]
for name in names:
    with open(b"/mnt/data/" + name, "wb") as file:
        file.write(name)
print("made")
