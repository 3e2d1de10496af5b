# attack: reads an archive of a few megabytes, gigabytes of it, into memory
# verdict: incomplete memory
# prints: before
# input: bomb.zip zip-bomb
# timeout_ms: 15000
# ends the sandbox: runsc (memory belongs to the whole sandbox: gVisor's kernel dies with the program)
import zipfile

print("before")
with zipfile.ZipFile("bomb.zip") as archive:
    contents = [archive.read(name) for name in archive.namelist()]
print("breached: it fitted")
