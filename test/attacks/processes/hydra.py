# attack: two processes that fork each other again as soon as one dies
# verdict: completed
# prints: parent has ended
import os


def head(pipe_read, pipe_write):
    os.setsid()
    while True:
        ours_read, ours_write = os.pipe()
        if os.fork() == 0:
            os.close(ours_write)
            os.read(ours_read, 1)
            continue
        os.close(ours_read)
        os.read(pipe_read, 1)


read, write = os.pipe()
for _ in range(5):
    if os.fork() == 0:
        head(read, write)
print("parent has ended")
