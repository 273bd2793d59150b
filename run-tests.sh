#!/usr/bin/env bash
# The test suite on the project's own environment; arguments go to pytest.
#   ./run-tests.sh [pytest arguments]
# Without arguments it is the whole suite, by file in two processes, each with a Spark session of its own.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup-environment.sh"
cd "$lakehouse_home"
if [ $# = 0 ]; then
  set -- -n 2 --dist loadfile
fi
exec "$VIRTUAL_ENV/bin/python" -m pytest "$@"
