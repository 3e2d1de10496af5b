"""
Brings the image that this runs in into the engine that starts sandboxes (DOCKER_HOST), without a registry and without a
socket of the host's: the files go there as one stream, SETTINGS say how a container of it is started. Where the engine
answers to certificates, also hands the worker its own, as files that its account can read.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import ssl
import subprocess
import urllib.parse

ADDRESS = urllib.parse.urlsplit(os.environ["DOCKER_HOST"])
TLS = ADDRESS.scheme != "unix"
REPOSITORY, TAG = "code-interpreter-sandbox", "latest"
CERTIFICATES, WORKER_CERTIFICATES = "/load/engine/client", "/load/worker"
SERVICE_ACCOUNT = 10001
LABEL = "code-interpreter.contents"
# As in the image's Dockerfile; a unit test compares them.
SETTINGS = [
    "ENV PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8",
    "USER 65532:65532",
    "WORKDIR /mnt/data",
    "ENTRYPOINT [\"/usr/bin/python3\", \"-I\", \"-S\", \"-B\", \"-c\", \"import sys; sys.path[:0] = ['/opt']; sys.path += ['/usr/local/lib/python3.13/dist-packages', '/usr/lib/python3/dist-packages']; import runner.__main__\"]",
]
# What the runtime puts into every container, and what is only here because of this program.
NOT_OF_THE_IMAGE = ["./proc/*", "./sys/*", "./dev/*", "./load", "./etc/resolv.conf", "./etc/hosts", "./etc/hostname", "./.dockerenv"]
CHUNK_BYTES = 1024 * 1024
TIMEOUT_S = 600


def main() -> None:
    if TLS:
        hand_over_certificates()
    contents = contents_hash()
    if loaded_contents() == contents:
        print(f"{REPOSITORY}:{TAG} is up to date")
        return
    load(contents)
    if loaded_contents() != contents:
        raise SystemExit(f"the engine took the image, but has no {REPOSITORY}:{TAG} with these contents")
    print(f"{REPOSITORY}:{TAG} loaded")


def hand_over_certificates() -> None:
    for name in ("ca.pem", "cert.pem", "key.pem"):
        data = open(f"{CERTIFICATES}/{name}", "rb").read()
        target = f"{WORKER_CERTIFICATES}/{name}"
        fd = os.open(f"{target}.new", os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o400)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        os.chown(f"{target}.new", SERVICE_ACCOUNT, SERVICE_ACCOUNT)
        os.rename(f"{target}.new", target)


def contents_hash() -> str:
    """A hash of the settings and of name, kind, mode, size and time of every file."""
    digest = hashlib.sha256("\n".join(SETTINGS).encode())
    for top in ("etc", "opt", "usr"):
        for folder, folders, files in os.walk(f"/{top}"):
            folders.sort()
            for name in sorted(files):
                path = f"{folder}/{name}"
                status = os.lstat(path)
                if f".{path}" not in NOT_OF_THE_IMAGE:
                    digest.update(f"{path}\0{status.st_mode}\0{status.st_size}\0{int(status.st_mtime)}\n".encode())
    return digest.hexdigest()


def loaded_contents() -> str | None:
    connection = connect()
    connection.request("GET", f"/images/{REPOSITORY}:{TAG}/json")
    answer = connection.getresponse()
    body = json.loads(answer.read())
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise SystemExit(f"the engine answers {answer.status}: {body.get('message')}")
    return (body["Config"].get("Labels") or {}).get(LABEL)


def load(contents: str) -> None:
    changes = [*SETTINGS, f"LABEL {LABEL}={contents}"]
    query = urllib.parse.urlencode([("fromSrc", "-"), ("repo", REPOSITORY), ("tag", TAG), *(("changes", each) for each in changes)])
    excluded = [f"--exclude={each}" for each in NOT_OF_THE_IMAGE]
    tar = subprocess.Popen(["tar", "-C", "/", "--one-file-system", "--numeric-owner", *excluded, "-c", "."], stdout=subprocess.PIPE)
    assert tar.stdout is not None
    connection = connect()
    headers = {"Content-Type": "application/x-tar", "Transfer-Encoding": "chunked"}
    connection.request("POST", f"/images/create?{query}", body=iter(lambda: tar.stdout.read(CHUNK_BYTES), b""), headers=headers, encode_chunked=True)
    answer = connection.getresponse()
    said = answer.read().decode("utf-8", "replace")
    if answer.status != 200 or '"error"' in said:
        raise SystemExit(f"the engine answers {answer.status}: {said.strip()[-500:]}")
    if tar.wait() != 0:
        raise SystemExit("the image could not be read")


def connect() -> http.client.HTTPConnection:
    if not TLS:
        return _UnixConnection("localhost", timeout=TIMEOUT_S)
    context = ssl.create_default_context(cafile=f"{CERTIFICATES}/ca.pem")
    context.load_cert_chain(f"{CERTIFICATES}/cert.pem", f"{CERTIFICATES}/key.pem")
    return http.client.HTTPSConnection(str(ADDRESS.hostname), ADDRESS.port or 2376, context=context, timeout=TIMEOUT_S)


class _UnixConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(ADDRESS.path)


main()
