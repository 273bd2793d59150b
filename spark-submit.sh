#!/usr/bin/env bash
# spark-submit on the project's own environment, which is set up the first time.
#   ./spark-submit.sh [spark-submit options] SCRIPT.py [script arguments]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup-environment.sh"

# --jars on the command line replaces spark.jars of the defaults, so Delta's jars are put back beside it.
delta_jars=$(printf 'file://%s,' "$LAKEHOUSE_JARS"/*.jar)
delta_jars=${delta_jars%,}
arguments=()
while [ $# -gt 0 ]; do
  case "$1" in
    --jars) arguments+=("$1" "$delta_jars,${2:?--jars needs a value}"); shift 2 ;;
    --jars=*) arguments+=("--jars=$delta_jars,${1#--jars=}"); shift ;;
    --conf=spark.jars=*) arguments+=("--conf=spark.jars=$delta_jars,${1#--conf=spark.jars=}"); shift ;;
    -v | --verbose | --supervise | --version | -h | --help | --usage-error | -*=*) arguments+=("$1"); shift ;;
    -*) arguments+=("$1" "${@:2:1}"); shift $(($# > 1 ? 2 : 1)) ;;
    *) break ;; # the script: what follows is its own
  esac
done
exec "$SPARK_HOME/bin/spark-submit" ${arguments[@]+"${arguments[@]}"} "$@"
