#!/bin/sh
# install.sh run|dev: puts what Ostinato needs into .venv, or the folder that VENV names. Finds a Python to begin with, that
# of the folder or another one, and leaves the rest to stack/install. Settings: CPU=1, CUDA=1, TORCH_INDEX, PYTHON, VENV.
set -eu

cd "$(dirname "$0")/.."
venv="${VENV:-.venv}"
python="$venv/bin/python"

if [ -n "${PYTHON:-}" ] || [ -e "$venv.making" ] || ! "$python" -c 'import pip' 2>/dev/null; then
    python="$(sh stack/preflight.sh)" || exit 1
fi
exec "$python" -m stack.install "$venv" "${1:-run}" --cpu="${CPU:-}" --cuda="${CUDA:-}" \
    --torch-index="${TORCH_INDEX:-}" --chromium="${CHROMIUM:-}"
