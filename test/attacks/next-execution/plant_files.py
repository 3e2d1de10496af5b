# attack: leaves files where the next execution or its interpreter would find them
# verdict: completed
# prints: planted
# files: ["sitecustomize.py"]
import os

for folder in ("/tmp", "/mnt/data", "/dev/shm", "/tmp/.local/lib/python3.13/site-packages", "/tmp/.matplotlib", "/mnt/data/.ipython", "/var/tmp", "/run/lock"):
    try:
        os.makedirs(folder, exist_ok=True)
        for name in ("sitecustomize.py", "usercustomize.py", "planted.pth", ".pythonrc", ".bashrc"):
            if folder == "/mnt/data" and name in ("usercustomize.py", "planted.pth"):
                continue
            with open(os.path.join(folder, name), "w") as file:
                file.write("print('planted')")
    except OSError:
        pass
print("planted")
