#!/bin/sh
# venv_folder.sh PYTHON: prints the folder of that interpreter's virtual environment: .venv, or one beside it (.venv-3.13)
# where .venv has another version, so that trying one version costs nobody the other.
set -u

cd "$(dirname "$0")/.."

version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

asked="$(version_of "$(PYTHON="$1" sh stack/preflight.sh 2>/dev/null)")"
there="$(version_of .venv/bin/python)"
if [ -n "$asked" ] && [ -n "$there" ] && [ "$asked" != "$there" ]; then
    printf '.venv-%s\n' "$asked"
else
    printf '.venv\n'
fi
