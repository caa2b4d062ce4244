# Sourced by scripts/isthmus and scripts/test: makes .venv with what pyproject.toml and constraints.txt say.
# Needs $root, the repository. Sets $python, the environment's interpreter.

say() { printf '%s\n' "isthmus: $*" >&2; }

find_python() {
    for candidate in python3.13 python3.12 python3.11 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

# set_up EXTRA: EXTRA is empty, or "[dev]" for what the checks need too
set_up() {
    venv=$root/.venv
    python=$venv/bin/python
    wanted=$(cat "$root/pyproject.toml" "$root/constraints.txt" | cksum)
    for stamp in "$venv/.stamp$1" "$venv/.stamp[dev]"; do
        if [ -x "$python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
            return 0
        fi
    done
    found=$(find_python) || { say "Python 3.11 or later is needed, and there is none on the PATH."; exit 2; }
    say "setting up .venv, which takes about half a minute the first time"
    lock=$root/.venv.lock
    tries=0
    until mkdir "$lock" 2>/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -eq 2 ]; then say "another set-up is under way; waiting for it to end"; fi
        if [ "$tries" -gt 300 ]; then say "$lock is in the way; remove it if no other set-up runs."; exit 2; fi
        sleep 1
    done
    trap 'rmdir "$lock" 2>/dev/null' EXIT
    trap 'exit 130' INT TERM HUP  # not every sh runs the trap for EXIT when a signal ends it
    log=$lock.log
    if ! { [ -x "$python" ] && "$python" -m pip --version >/dev/null 2>&1; }; then
        rm -rf "$venv"
        "$found" -m venv "$venv" >"$log" 2>&1 || {
            say "Python's venv module is missing (on Debian: apt-get install python3-venv); see $log."
            exit 2
        }
    fi
    "$python" -m pip install --quiet --disable-pip-version-check -c "$root/constraints.txt" -e "$root$1" \
        >"$log" 2>&1 || {
        say "the packages could not be installed; is the package index reachable? See $log."
        exit 2
    }
    printf '%s\n' "$wanted" >"$venv/.stamp$1"
    rm -f "$log"
    rmdir "$lock" 2>/dev/null
    trap - EXIT INT TERM HUP
}
