#!/bin/sh
# Docker in Docker, as in the image docker:dind: makes certificates once, then serves clients with one on port 2376.
# With "dockerd" as first argument it only starts dockerd with the arguments that follow.
set -eu

# In a container that is not privileged, cgroups are mounted read-only.
for point in $(awk '$5 ~ "^/sys/fs/cgroup" { print $5 }' /proc/self/mountinfo); do mount -o remount,bind,rw "$point"; done

# With cgroup v2 a group that has processes cannot have child groups with limits, so move to a child group.
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p /sys/fs/cgroup/engine
  xargs -rn1 < /sys/fs/cgroup/cgroup.procs > /sys/fs/cgroup/engine/cgroup.procs 2> /dev/null || true
  sed -e 's/ / +/g' -e 's/^/+/' < /sys/fs/cgroup/cgroup.controllers > /sys/fs/cgroup/cgroup.subtree_control
fi

rm -f /var/run/docker.pid
if [ "${1:-}" = dockerd ]; then exec "$@"; fi

folder=${DOCKER_TLS_CERTDIR:?a folder for the certificates}
days=825

# certificate NAME PURPOSE SUBJECT [ALTERNATIVE NAMES]
key() { openssl genrsa -out "$1" 3072 2> /dev/null; }
authority() {
  key "$folder/ca/key.pem"
  openssl req -new -x509 -days $days -key "$folder/ca/key.pem" -subj "/CN=code-interpreter engine" -out "$folder/ca/cert.pem" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
}
certificate() {
  key "$folder/$1/key.pem"
  printf 'extendedKeyUsage=%s\n%s' "$2" "${4:+subjectAltName=$4}" > "$folder/$1/extensions"
  openssl req -new -key "$folder/$1/key.pem" -subj "/CN=$3" |
    openssl x509 -req -days $days -CA "$folder/ca/cert.pem" -CAkey "$folder/ca/key.pem" -extfile "$folder/$1/extensions" \
      -out "$folder/$1/cert.pem" 2> /dev/null
  cp "$folder/ca/cert.pem" "$folder/$1/ca.pem"
}

make_certificates() (
  umask 077
  mkdir -p "$folder/ca" "$folder/server" "$folder/client"
  chmod 755 "$folder"
  authority
  certificate server serverAuth "$(hostname)" "DNS:$(hostname),DNS:localhost,IP:127.0.0.1"
  certificate client clientAuth worker
)

# Renew a month before they expire.
openssl x509 -checkend 2592000 -noout -in "$folder/server/cert.pem" > /dev/null 2>&1 || make_certificates

exec dockerd --host unix:///var/run/docker.sock --host tcp://0.0.0.0:2376 --tlsverify \
  --tlscacert "$folder/server/ca.pem" --tlscert "$folder/server/cert.pem" --tlskey "$folder/server/key.pem" "$@"
