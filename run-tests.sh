#!/usr/bin/env bash
# The test suite on the project's own environment; arguments go to pytest.
#   ./run-tests.sh [pytest arguments]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup-environment.sh"
cd "$lakehouse_home"
exec "$VIRTUAL_ENV/bin/python" -m pytest "$@"
