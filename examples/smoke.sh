#!/bin/sh
# The main job through a running service: waits until it is ready, calculates, draws and downloads, and looks for a network.
#   CODE_INTERPRETER_KEY=ci_sk_… sh examples/smoke.sh [http://127.0.0.1:8080]
set -eu
url=${1:-${CODE_INTERPRETER_URL:-http://127.0.0.1:8080}}
: "${CODE_INTERPRETER_KEY:?make one: service keys create --org org_local}"
ready_s_max=180

fail() { echo "✗ $*" >&2; exit 1; }
ask() { curl -sS --max-time 120 -H "Authorization: Bearer $CODE_INTERPRETER_KEY" "$@"; }
run() { ask "$url/v1/executions" -H 'Content-Type: application/json' -d "$1"; }

waited=0
until curl -fs --max-time 5 "$url/health/ready" > /dev/null; do
  [ $waited -lt $ready_s_max ] || fail "$url is not ready after $ready_s_max s"
  waited=$((waited + 1)); sleep 1
done
echo "✓ ready"

answer=$(run '{"code": "principal, rate, years = 10_000, 0.07, 20\nprint(f\"${principal * (1 + rate) ** years:,.2f}\")"}')
case $answer in *'"text":"$38,696.84"'*) echo '✓ $38,696.84' ;; *) fail "not \$38,696.84: $answer" ;; esac

answer=$(run '{"code": "import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])"}')
file=$(printf %s "$answer" | sed -n 's/.*"type":"image"[^}]*"file_id":"\([^"]*\)".*/\1/p')
[ -n "$file" ] || fail "no image: $answer"
[ "$(ask -r 1-3 "$url/v1/files/$file/content")" = PNG ] || fail "the image $file is no PNG"
echo "✓ a chart, as PNG"

answer=$(run '{"code": "import socket\nsocket.create_connection((\"192.0.2.1\", 80), timeout=3)"}')
case $answer in *'"status":"failed"'*unreachable*) echo "✓ no network" ;; *) fail "the sandbox reaches a network: $answer" ;; esac
