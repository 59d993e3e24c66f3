#!/bin/sh
# From nothing to models/tiny. Every stage resumes where it stopped: run it again after an interruption.
#   PROFILE=cpu    two cores, several hours (default)
#   PROFILE=gpu    the same with more data and a larger language model; choose it only where torch sees a GPU
#   BEGIN=models/tiny/state_dict.bin  go on from shipped weights (after python -m training.resume)
#   PROFILE=smoke  the plumbing only, well under a minute, no FluidSynth needed
set -eu
cd "$(dirname "$0")/.."
PYTHON="${PYTHON:-.venv/bin/python}"
PROFILE="${PROFILE:-cpu}"
WORK="${WORK:-training/work/$PROFILE}"
CHECKPOINT="${CHECKPOINT:-models/tiny}"
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}"

case "$PROFILE" in
smoke)
    CHECKPOINT="${CHECKPOINT_SMOKE:-$WORK/checkpoint}"
    exec "$PYTHON" -m training.smoke "$WORK" "$CHECKPOINT" ;;
cpu) PIECES=1000 LM="--steps 6000" DECODER="--steps 8000" ENCODER="--steps 1500" ;;
gpu) PIECES=8000 LM="--steps 30000 --batch 32 --device cuda" DECODER="--steps 60000 --batch 16 --device cuda"
     ENCODER="--steps 8000 --batch 16 --device cuda" ;;
*) echo "PROFILE must be cpu, gpu or smoke" >&2; exit 2 ;;
esac

[ -z "${BEGIN:-}" ] || LM="$LM --begin $BEGIN"

step() { echo "== $1"; shift; "$PYTHON" -u -m "$@"; }
mkdir -p "$WORK" "$CHECKPOINT"
step "data" training.data.dataset "$WORK/data" --pieces "$PIECES"
step "codes" training.codec.fit "$WORK/data" "$WORK/space.pt"
step "words" training.lm.vocabulary "$CHECKPOINT"
# shellcheck disable=SC2086  # the options are meant to be split
step "language model" training.lm.train "$WORK/space.pt" "$WORK/data" "$CHECKPOINT" "$WORK/lm.pt" $LM
# shellcheck disable=SC2086
step "decoder" training.codec.train decoder "$WORK/space.pt" "$WORK/data" "$WORK/decoder.pt" $DECODER
# shellcheck disable=SC2086
step "encoder" training.codec.train encoder "$WORK/space.pt" "$WORK/data" "$WORK/encoder.pt" $ENCODER
step "export" training.lm.export "$WORK/encoder.pt" "$WORK/decoder.pt" "$WORK/lm.pt" "$CHECKPOINT" "$CHECKPOINT"
step "evaluation" training.evaluate "$CHECKPOINT"
