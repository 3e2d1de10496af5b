#!/bin/sh
# Tests a sandbox image: run.sh IMAGE [pytest arguments]
#
# The tests start the runner as the first process of a pid namespace of its own, as a container does; making
# those takes CAP_SYS_ADMIN, which the runner itself then does not have.
set -eu
image=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
exec docker run --rm --init --network none --pids-limit 256 --memory 1g --cap-add SYS_ADMIN --user 0:0 \
  --security-opt seccomp=unconfined --security-opt apparmor=unconfined --workdir /tests --entrypoint python3 \
  -v "$here:/tests:ro" -v "$here/../../test/fixtures:/fixtures:ro" "$image" \
  -B -m pytest -q -p no:cacheprovider --ignore=/tests/full "$@" /tests
