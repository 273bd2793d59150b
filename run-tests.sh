#!/usr/bin/env bash
# The test suite on the project's own environment; arguments go to pytest.
#   ./run-tests.sh [pytest arguments]
# Without arguments it is the whole suite in two processes: the tests that share the one Spark session, and beside them
# all others, whose output comes when the first are through.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup-environment.sh"
cd "$lakehouse_home"
pytest=("$VIRTUAL_ENV/bin/python" -m pytest)
if [ $# -gt 0 ]; then
  exec "${pytest[@]}" "$@"
fi

printed=$(mktemp)
"${pytest[@]}" -m "not spark" >"$printed" 2>&1 &
others=$!
trap 'kill "$others" 2>/dev/null || true; rm -f "$printed"' EXIT

failed=0
"${pytest[@]}" -m spark || failed=$?
wait "$others" || failed=$?
cat "$printed"
exit "$failed"
