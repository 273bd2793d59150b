#!/usr/bin/env bash
# Makes the project's own environment, or finds in a few milliseconds that it is up to date.
# Source it: afterwards JAVA_HOME, SPARK_HOME, PYSPARK_PYTHON, SPARK_CONF_DIR, LAKEHOUSE_JARS and PATH are set.
#
# It makes: .venv (exact versions of requirements.lock, the project itself editable) and .cache (Delta's jars, Spark's
# default settings). Each step leaves a stamp when it is done, so an interrupted set-up goes on where it stopped.

lakehouse_home=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lakehouse_cache="$lakehouse_home/.cache"
lakehouse_venv="$lakehouse_home/.venv"

say() { printf 'lakehouse set-up: %s\n' "$*" >&2; }
give_up() { say "$*"; exit 1; }

is_root_on_debian() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

install_packages() {
  say "installing $* from the distribution"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >&2
}

# --- Java ----------------------------------------------------------------------------------------------------------
java_major() { # of the Java home $1; prints nothing where there is none
  [ -x "$1/bin/java" ] || return 0
  if [ -r "$1/release" ]; then
    sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$1/release"
  else
    "$1/bin/java" -version 2>&1 | sed -n '1s/.*"\([0-9]*\).*/\1/p'
  fi
}

find_java() { # prints the first home with Java 17 or newer
  local on_path candidate major
  on_path=$(command -v java || true)
  [ -z "$on_path" ] || on_path=$(dirname "$(dirname "$(readlink -f "$on_path")")")
  for candidate in "${JAVA_HOME:-}" "$on_path" /usr/lib/jvm/* /opt/java/* /opt/jdk* "$HOME"/.sdkman/candidates/java/current; do
    [ -n "$candidate" ] || continue
    major=$(java_major "$candidate")
    if [ -n "$major" ] && [ "$major" -ge 17 ] 2>/dev/null; then
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  return 1
}

newest_jre_package() { # prints the name of the distribution's newest headless JRE from 17 on
  apt-cache pkgnames openjdk- 2>/dev/null | sed -n 's/^openjdk-\([0-9]*\)-jre-headless$/\1/p' | sort -n |
    awk '$1 >= 17 && $1 <= 21 { newest = $1 } END { if (newest) print "openjdk-" newest "-jre-headless" }'
}

ensure_java() {
  local home
  if ! home=$(find_java); then
    is_root_on_debian || give_up "Java 17 or newer is needed and was not found; install the package openjdk-17-jre-headless, or set JAVA_HOME"
    apt-get update -qq >&2
    local package
    package=$(newest_jre_package)
    install_packages "${package:-openjdk-17-jre-headless}" || give_up "Java could not be installed; install a headless JRE, 17 or newer, by hand"
    home=$(find_java) || give_up "Java was installed but is not found; set JAVA_HOME"
  fi
  export JAVA_HOME="$home"
}

# --- Python --------------------------------------------------------------------------------------------------------
python_fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }

find_python() {
  local name
  for name in "${LAKEHOUSE_PYTHON:-}" python3 python3.13 python3.12 python3.11 python3.10; do
    if [ -n "$name" ] && command -v "$name" >/dev/null && python_fits "$name"; then
      command -v "$name"
      return 0
    fi
  done
  return 1
}

make_venv() {
  local python version
  python=$(find_python) || give_up "Python 3.10 or newer is needed and was not found; install the package python3"
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print(f"python3.{sys.version_info.minor}-venv")')
    is_root_on_debian || give_up "Python's venv module is missing; install the package $version"
    install_packages "$version" || install_packages python3-venv || give_up "install the package $version"
  fi
  "$python" -m venv --clear "$lakehouse_venv" || give_up "the virtual environment could not be made in .venv"
}

install_requirements() {
  local pip="$lakehouse_venv/bin/python -m pip --disable-pip-version-check"
  say "installing the locked packages into .venv (once, a few minutes)"
  # The lock is complete and hashed, so nothing is left to resolve; byte code is made at first import.
  $pip install --no-deps --no-compile --require-hashes --progress-bar off -r "$lakehouse_home/requirements.lock" |
    sed -u -n 's/^Collecting \([^ ;]*\).*/  \1/p; s/^Installing collected.*/  unpacking/p' >&2
  [ "${PIPESTATUS[0]}" = 0 ] || give_up "the locked packages could not be installed; the lines above say why. Run it again to go on"
}

install_project() { # editable: only a change of its metadata, such as a new command, needs it again
  "$lakehouse_venv/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation \
    --editable "$lakehouse_home" >&2 || give_up "the project could not be installed into .venv"
}

ensure_packages() {
  local stamp="$lakehouse_venv/.lakehouse-lock" project_stamp="$lakehouse_venv/.lakehouse-project"
  if ! cmp -s "$lakehouse_home/requirements.lock" "$stamp" || [ ! -x "$lakehouse_venv/bin/python" ]; then
    [ -x "$lakehouse_venv/bin/pip" ] && "$lakehouse_venv/bin/python" -c '' 2>/dev/null || make_venv
    install_requirements
    cp "$lakehouse_home/requirements.lock" "$stamp"
    rm -f "$project_stamp"
  fi
  if ! cmp -s "$lakehouse_home/pyproject.toml" "$project_stamp"; then
    install_project
    cp "$lakehouse_home/pyproject.toml" "$project_stamp"
  fi
  # python3 is what the shell scripts inside pyspark look for.
  export PATH="$lakehouse_venv/bin:$PATH" VIRTUAL_ENV="$lakehouse_venv"
  export PYSPARK_PYTHON="$lakehouse_venv/bin/python" PYSPARK_DRIVER_PYTHON="$lakehouse_venv/bin/python"
  SPARK_HOME=$(echo "$lakehouse_venv"/lib/python3*/site-packages/pyspark)
  export SPARK_HOME
}

# --- Delta's jars and Spark's defaults -------------------------------------------------------------------------------
delta_coordinate() { # io.delta:delta-spark_<spark minor>_2.13:<version>, from the versions that the lock names
  sed -n 's/^pyspark==\([0-9]*\.[0-9]*\).*/spark=\1/p; s/^delta-spark==\([0-9.]*\).*/delta=\1/p' "$lakehouse_home/requirements.lock" |
    sort | awk -F= '{ v[$1] = $2 } END { printf "io.delta:delta-spark_%s_2.13:%s", v["spark"], v["delta"] }'
}

resolve() { # coordinates $1, by Spark's own resolver, into $2/jars; what it has there already it doesn't fetch again
  local log="$lakehouse_cache/resolve.log"
  mkdir -p "$2"
  printf 'print("resolved")\n' >"$lakehouse_cache/resolve.py"
  say "resolving $1 (once)"
  SPARK_CONF_DIR="$lakehouse_cache/empty" SPARK_LOCAL_IP=127.0.0.1 "$SPARK_HOME/bin/spark-submit" --master 'local[1]' \
    --conf "spark.jars.ivy=$2" --packages "$1" "$lakehouse_cache/resolve.py" >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; return 1; }
}

resolve_jars() { # Delta's, into $1: only what pyspark lacks
  local ivy="$lakehouse_cache/ivy" jar name
  mkdir -p "$1"
  resolve "$(delta_coordinate)" "$ivy" ||
    give_up "Delta's jars could not be resolved; the lines above say why. Run it again to go on"
  for jar in "$ivy"/jars/*.jar; do
    # Ivy writes group_artifact-version.jar; an artifact that pyspark has in any version stays out.
    name=$(basename "$jar" .jar); name=${name#*_}; name=$(printf '%s' "$name" | sed 's/-[0-9][^-]*\(-[0-9]*\)\{0,1\}$//')
    compgen -G "$SPARK_HOME/jars/$name-[0-9]*.jar" >/dev/null || cp "$jar" "$1/"
  done
  rm -rf "$ivy"
}

write_spark_defaults() { # what every session of this project starts with; options on the command line win
  local jars
  jars=$(printf 'file://%s,' "$LAKEHOUSE_JARS"/*.jar)
  mkdir -p "$SPARK_CONF_DIR"
  # The last four are what the library sets in a session of its own, for scripts that build theirs: with Spark's 200 and
  # Delta's 50 partitions every small commit costs seconds, and a limit in bytes doubles the way to a Python worker.
  cat >"$SPARK_CONF_DIR/spark-defaults.conf" <<DEFAULTS
spark.jars                            ${jars%,}
spark.sql.extensions                  io.delta.sql.DeltaSparkSessionExtension
spark.sql.catalog.spark_catalog       org.apache.spark.sql.delta.catalog.DeltaCatalog
spark.driver.memory                   3g
spark.driver.host                     127.0.0.1
spark.driver.bindAddress              127.0.0.1
spark.ui.enabled                      false
spark.ui.showConsoleProgress          false
spark.sql.warehouse.dir               $lakehouse_cache/warehouse
spark.sql.shuffle.partitions          4
spark.databricks.delta.snapshotPartitions  2
spark.sql.execution.arrow.maxBytesPerBatch    2147483647
spark.sql.execution.arrow.maxRecordsPerBatch  2000
DEFAULTS
  cp "$lakehouse_home/conf/log4j2.properties" "$SPARK_CONF_DIR/log4j2.properties"
}

ensure_jars() {
  local wanted stamp
  export LAKEHOUSE_JARS="$lakehouse_cache/jars" SPARK_CONF_DIR="$lakehouse_cache/spark-conf"
  wanted="$(delta_coordinate) $lakehouse_home $(cksum <"${BASH_SOURCE[0]}") $(cksum <"$lakehouse_home/conf/log4j2.properties")"
  stamp="$lakehouse_cache/.stamp"
  if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    if [ "$(cat "$LAKEHOUSE_JARS/.coordinate" 2>/dev/null)" != "$(delta_coordinate)" ]; then
      rm -rf "$LAKEHOUSE_JARS" "$lakehouse_cache/jars.new"
      resolve_jars "$lakehouse_cache/jars.new"
      delta_coordinate >"$lakehouse_cache/jars.new/.coordinate"
      mv "$lakehouse_cache/jars.new" "$LAKEHOUSE_JARS"
    fi
    write_spark_defaults
    printf '%s' "$wanted" >"$stamp"
  fi
}

ensure_environment() {
  mkdir -p "$lakehouse_cache" || give_up "$lakehouse_home can't be written to"
  # Two first starts at once: the second waits for the first and then finds everything done.
  exec {lakehouse_lock}>"$lakehouse_cache/.lock"
  flock "$lakehouse_lock" 2>/dev/null || true
  ensure_java
  ensure_packages
  ensure_jars
  exec {lakehouse_lock}>&-
  export SPARK_LOCAL_IP="${SPARK_LOCAL_IP:-127.0.0.1}"
}

ensure_environment
