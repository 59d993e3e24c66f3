#!/bin/sh
# install.sh run|dev: puts what Ostinato needs into .venv. Does nothing when that is done already, and goes on where an
# interrupted run stopped: a stamp with the requirements' checksum is written only at the end of each step.
set -eu

cd "$(dirname "$0")/.."
set_name="${1:-run}"
uv_version=0.13.8
python=.venv/bin/python

say() { printf '==> %s\n' "$*"; }

# Two commands at once must not install into one folder. Without flock (macOS) the second one is on its own.
take_turn() {
    mkdir -p var
    command -v flock >/dev/null 2>&1 || return 0
    exec 9>var/install.lock
    flock -n 9 || { say "another command is installing here; waiting for it"; flock 9; }
}

make_venv() {
    if "$python" -m pip --version >/dev/null 2>&1; then return; fi
    interpreter="$(sh stack/preflight.sh)"
    say "making .venv with $("$interpreter" --version)"
    "$interpreter" -m venv --clear .venv
}

# uv installs the same set ten times faster than pip; where it cannot be had, pip does
find_installer() {
    if ! "$python" -m uv --version 2>/dev/null | grep -qF "uv $uv_version"; then
        "$python" -m pip install --quiet --disable-pip-version-check "uv==$uv_version" || say "uv cannot be installed"
    fi
    if "$python" -m uv --version >/dev/null 2>&1; then
        installer="$python -m uv pip install --python $python"
    else
        say "using pip instead of uv: slower, the same result"
        installer=pip
    fi
}

# install_packages ARGS...: by uv, or by pip where uv fails. A run that was cut off may have left packages half written
# that look installed; its marker is still there, and then all of them are written again.
# ($installer holds no path with a space: all paths here are relative to this folder.)
install_packages() {
    uv_again="" pip_again=""
    if [ -e .venv/.installing ]; then uv_again=--reinstall pip_again=--force-reinstall; fi
    touch .venv/.installing
    case "$installer" in
        *uv*) $installer $uv_again "$@" || { say "uv failed; trying the same with pip" && by_pip $pip_again "$@"; } ;;
        *) by_pip $pip_again "$@" ;;
    esac
    rm .venv/.installing
}

by_pip() {
    "$python" -m pip install --disable-pip-version-check "$@"
}

checksum() {
    { cat "$@"; "$python" --version; } | cksum
}

# step NAME WORDS FILES...: installs the requirement files unless the stamp says that just these are in
step() {
    stamp=".venv/.installed-$1"
    words="$2"
    shift 2
    sum="$(checksum "$@")"
    if [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ]; then return; fi
    [ -n "${installer:-}" ] || find_installer
    say "installing $words"
    case "$stamp" in
        *audiocraft) install_packages --no-deps -r "$1" ;;
        *) install_packages $(printf ' -r %s' "$@") ;;
    esac
    printf '%s\n' "$sum" >"$stamp"
}

# the Chromium that opens pages for the tests, unless CHROMIUM names one; where it cannot be had, only those tests fail
step_browser() {
    stamp=.venv/.installed-browser
    sum="$(checksum tests/browser/package-lock.json tests/browser/install.py)"
    if [ -n "${CHROMIUM:-}" ] || [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ]; then return; fi
    say "installing a Chromium for the tests (70 MB)"
    if "$python" -m tests.browser.install .venv/chromium; then
        printf '%s\n' "$sum" >"$stamp"
    else
        say "no Chromium for the tests of pages, which will fail: see above, and run this again"
    fi
}

take_turn
make_venv
step run "the libraries of API, worker and broker into .venv (about 5 GB; some minutes the first time)" \
    requirements/api.txt requirements/worker.txt requirements/embedded.txt
step audiocraft "audiocraft" requirements/audiocraft.txt
if [ "$set_name" = dev ]; then
    step dev "the tools for tests and checks" requirements/dev.txt requirements/test-clients.txt
    step_browser
fi
