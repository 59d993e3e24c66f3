#!/bin/sh
# From nothing to models/tiny. Every stage resumes where it stopped: run it again after an interruption.
#   PROFILE=cpu    two cores, two to three hours (default)
#   PROFILE=gpu    a larger language model, longer trained; choose it only where torch sees a GPU
#   PROFILE=smoke  the plumbing only, well under a minute, no FluidSynth needed
# DEVICE overrides the profile's device; WORK and CHECKPOINT say where to.
set -eu
cd "$(dirname "$0")/.."
PYTHON="${PYTHON:-.venv/bin/python}"
PROFILE="${PROFILE:-cpu}"
WORK="${WORK:-training/runs/$PROFILE}"

case "$PROFILE" in
smoke) exec "$PYTHON" -m training.smoke "$WORK" "${CHECKPOINT:-$WORK/checkpoint}" ;;
cpu) DEVICE="${DEVICE:-cpu}" LM="--dim 160 --layers 4 --steps 5600 --batch 24" ENCODER="--steps 3000" ;;
gpu) DEVICE="${DEVICE:-cuda}" LM="--dim 256 --layers 6 --steps 20000 --batch 96" ENCODER="--steps 8000 --batch 16" ;;
*) echo "PROFILE must be cpu, gpu or smoke" >&2; exit 2 ;;
esac
CHECKPOINT="${CHECKPOINT:-models/tiny}"

step() { echo "== $1"; shift; "$PYTHON" -u -m "$@"; }
mkdir -p "$WORK"
step "codec" training.codec.build "$WORK/codec.pt"
step "words" training.lm.vocabulary "$WORK"
# shellcheck disable=SC2086  # the options are meant to be split
step "language model" training.lm.train "$WORK" "$WORK/lm.pt" $LM --device "$DEVICE"
# shellcheck disable=SC2086
step "encoder" training.codec.encode "$WORK/codec.pt" $ENCODER --device "$DEVICE"
step "export" training.lm.export "$WORK/codec.pt" "$WORK/lm.pt" "$WORK" "$CHECKPOINT"
step "evaluation" training.evaluate "$CHECKPOINT" --ceiling
