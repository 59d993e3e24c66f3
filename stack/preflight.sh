#!/bin/sh
# Looks whether this machine can run Ostinato, before anything of it exists. Prints the Python interpreter to use, or
# what is missing with the one line that installs it. Installs nothing itself. Plain sh: there may be nothing else.
set -u

need_gb=8

say() { printf '%s\n' "$*" >&2; }

# "sudo " only where it is needed and there is one
as_root() {
    if [ "$(id -u)" != 0 ]; then printf 'sudo '; fi
}

apt_line() {
    printf '%sapt-get update && %sapt-get install -y %s' "$(as_root)" "$(as_root)" "$*"
}

check_machine() {
    case "$(uname -m)" in
        x86_64 | amd64 | aarch64 | arm64) ;;
        *)
            say "This machine is a $(uname -m); PyTorch is published for x86_64 and aarch64 only."
            say "Run Ostinato on such a machine."
            return 1
            ;;
    esac
}

check_disk() {
    # the columns of `df -P`: file system, blocks, used, available, ...
    set -- $(df -Pk . | tail -n 1)
    free_gb=$((${4:-0} / 1048576))
    if [ "$free_gb" -lt "$need_gb" ]; then
        say "$free_gb GB are free here, and PyTorch and its libraries need about $need_gb GB."
        say "Free some space, or move this folder to a larger disk."
        return 1
    fi
}

# supported VERSION: true for 3.11 and 3.12, the versions that the pinned libraries have wheels for
supported() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null
}

complete() {
    "$1" -c 'import venv, ensurepip' 2>/dev/null
}

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}

# ~/.local/bin is where `uv python install` leaves its interpreters
find_python() {
    for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3 \
        "${HOME:-/nonexistent}/.local/bin/python3.11" "${HOME:-/nonexistent}/.local/bin/python3.12"; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        found="$candidate"
        supported "$candidate" || continue
        usable="$candidate"
        if complete "$candidate"; then
            command -v "$candidate"
            return 0
        fi
    done
    explain_python
    return 1
}

explain_python() {
    if [ -n "$usable" ]; then
        version="$(version_of "$usable")"
        say "Python $version is here, but its venv module is not. This line installs it:"
        say "    $(apt_line "python$version-venv")"
    elif [ -n "$found" ]; then
        say "Python $(version_of "$found") is here, and Ostinato needs 3.11 or 3.12. This line installs one beside it:"
        say "    $(other_python_line)"
    else
        say "There is no python3 here. This line installs it:"
        say "    $(apt_line python3 python3-venv)"
    fi
    say "Then run the same command again."
}

other_python_line() {
    for version in 3.11 3.12; do
        if apt-cache show "python$version-venv" >/dev/null 2>&1; then
            apt_line "python$version" "python$version-venv"
            return
        fi
    done
    # distributions newer than Python 3.12 carry no older one
    printf 'curl -LsSf https://astral.sh/uv/install.sh | sh && "$HOME/.local/bin/uv" python install 3.11'
}

found=""
usable=""
check_machine || exit 1
check_disk || exit 1
find_python || exit 1
