#!/bin/sh
# Looks whether this machine can run Ostinato, before anything of it exists. Prints the Python interpreter to use (the one
# that PYTHON names, if it is set), or says in one sentence what is missing and what brings it. Installs nothing itself.
# Plain sh: there may be nothing else.
set -u

versions="3.11, 3.12 or 3.13"
again="then run the same command again"

say() { printf 'error: %s\n' "$*" >&2; }

# "sudo " only where it is needed and there is one
as_root() {
    if [ "$(id -u)" != 0 ]; then printf 'sudo '; fi
}

apt_line() {
    printf '%sapt-get update && %sapt-get install -y %s' "$(as_root)" "$(as_root)" "$*"
}

has() { command -v "$1" >/dev/null 2>&1; }

check_machine() {
    case "$(uname -m)" in
        x86_64 | amd64 | aarch64 | arm64) ;;
        *)
            say "this machine is a $(uname -m), and PyTorch is published for x86_64 and arm64 (aarch64) only: use such a machine"
            return 1
            ;;
    esac
    if [ "$(uname -s)" = Darwin ] && [ "$(uname -m)" = x86_64 ]; then
        say "this is a Mac with an Intel processor, for which PyTorch is published no more: use one with Apple silicon, or Linux"
        return 1
    fi
}

supported() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null
}

complete() {
    "$1" -c 'import venv, ensurepip' 2>/dev/null
}

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

too_old_or_new() {
    if "$1" -c 'import sys; sys.exit(sys.version_info[:2] >= (3, 11))' 2>/dev/null; then printf 'too old'; else printf 'too new'; fi
}

# where that name may lie beside the PATH: `uv python install` leaves its interpreters in ~/.local/bin, pyenv each in a
# folder, while its own `python3.13` on the PATH fails unless that version is the chosen one
elsewhere() {
    case "$1" in
        */*) ;;
        *)
            printf '%s\n' "${HOME:-/nonexistent}/.local/bin/$1"
            for path in "${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}"/versions/*/bin/"$1"; do printf '%s\n' "$path"; done
            ;;
    esac
}

candidates() {
    if [ -n "${PYTHON:-}" ]; then
        printf '%s\n' "$PYTHON"
        elsewhere "$PYTHON"
        return
    fi
    for version in 3.11 3.12 3.13; do printf 'python%s\n' "$version"; done
    printf 'python3\n'
    for version in 3.11 3.12 3.13; do elsewhere "python$version"; done
}

find_python() {
    found="" usable=""
    while IFS= read -r candidate; do
        has "$candidate" && version_of "$candidate" >/dev/null || continue
        found="$candidate"
        supported "$candidate" || continue
        usable="$candidate"
        if complete "$candidate"; then
            command -v "$candidate"
            return 0
        fi
    done <<END
$(candidates)
END
    explain_python
    return 1
}

explain_python() {
    if [ -n "$usable" ]; then
        version="$(version_of "$usable")"
        say "Python $version is here without its venv module: install that with \`$(apt_line "python$version-venv")\`, $again"
    elif [ -n "${PYTHON:-}" ] && [ -n "$found" ]; then
        say "PYTHON=$PYTHON is Python $(version_of "$found"), which is $(too_old_or_new "$found"): name $versions"
    elif [ -n "${PYTHON:-}" ]; then
        say "PYTHON=$PYTHON is no Python that runs here: name $versions, or install one with \`$(python_line)\`"
    elif [ -n "$found" ]; then
        say "Python $(version_of "$found") is $(too_old_or_new "$found") for Ostinato, which needs $versions:" \
            "install one beside it with \`$(python_line)\`, $again"
    else
        say "there is no Python here, and Ostinato needs $versions: install it with \`$(python_line)\`, $again"
    fi
}

# the line that installs a Python of a supported version: the distribution's, Homebrew's, or one by uv, which needs nobody
python_line() {
    if [ "$(uname -s)" = Darwin ] && has brew; then
        printf 'brew install python@3.12'
        return
    fi
    for version in 3.11 3.12 3.13; do
        if apt-cache show "python$version-venv" >/dev/null 2>&1; then
            apt_line "python$version" "python$version-venv"
            return
        fi
    done
    # none at all, and lists that were never fetched, as in a fresh container: what the distribution has
    if [ -z "$found" ] && has apt-get; then
        apt_line python3 python3-venv
        return
    fi
    printf 'curl -LsSf https://astral.sh/uv/install.sh | sh && "$HOME/.local/bin/uv" python install 3.12'
}

check_machine || exit 1
find_python || exit 1
