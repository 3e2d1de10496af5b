# attack: leaves pipes, sockets and other things that block or surprise a reader
# verdict: completed
# prints: made
# files: ["honest.txt"]
import os
import socket

os.mkfifo("pipe")
os.mkfifo("pipe.csv")
listener = socket.socket(socket.AF_UNIX)
listener.bind("socket.png")
listener.listen()
with open("honest.txt", "w") as file:
    file.write("honest")
print("made")
