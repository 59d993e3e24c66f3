# One worker on the CPU: deploy/worker.Dockerfile with torch's build for the CPU, a third of its size. torch and torchaudio
# come from PyTorch's own index, or the one that TORCH_INDEX names. Build from the repository's root:
# docker build -f deploy/worker-cpu.Dockerfile .
# With --build-arg WITH_FFMPEG=1 it also writes m4a and aac, as in worker.Dockerfile.
FROM python:3.11-slim-bookworm AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir uv==0.13.8 && python -m venv /opt/venv
COPY requirements/worker.txt requirements/audiocraft.txt requirements/embedded.txt /tmp/
ARG WITH_FFMPEG=
# the lists are complete (--no-deps); what only CUDA needs stays out
RUN sed -nE 's/^(torch|torchaudio)==([^ ;]+)/\1==\2+cpu/p' /tmp/worker.txt >/tmp/torch.txt \
    && grep -vE '^(torch|torchaudio|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==' /tmp/worker.txt >/tmp/rest.txt
RUN uv pip install --no-cache --python /opt/venv/bin/python --no-deps --default-index "$TORCH_INDEX" -r /tmp/torch.txt \
    && uv pip install --no-cache --python /opt/venv/bin/python --no-deps -r /tmp/rest.txt -r /tmp/audiocraft.txt \
    && if [ -n "$WITH_FFMPEG" ]; then \
        uv pip install --no-cache --python /opt/venv/bin/python -c /tmp/embedded.txt imageio-ffmpeg; fi
# the kernels, by a compiler that is in this stage alone; where it cannot be had the image is built all the same
WORKDIR /build
COPY requirements/compiler.txt requirements/compiler.txt
COPY stack/__init__.py stack/__init__.py
COPY stack/install stack/install
COPY worker/__init__.py worker/__init__.py
COPY worker/engine/__init__.py worker/engine/__init__.py
COPY worker/engine/native worker/engine/native
RUN python -m stack.install.kernels

FROM python:3.11-slim-bookworm
# /cache: the weights, kept in a volume; a named volume takes this owner over
RUN useradd --uid 10001 --create-home ostinato && install -d -o ostinato /app /data /cache
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app \
    MODEL=tiny DEVICE=cpu CACHE_DIR=/cache LOCAL_STORAGE_PATH=/data/audio
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY models models
COPY mixing mixing
COPY shared shared
COPY worker worker
COPY --from=build /build/worker/engine/native/built worker/engine/native/built
COPY deploy/alive.py deploy/alive.py
USER ostinato
# The first start of a published model downloads it: minutes.
HEALTHCHECK --interval=15s --timeout=10s --start-period=15m CMD ["python", "deploy/alive.py"]
# Pool, threads (WORKER_CONCURRENCY) and queue stand in the worker's own configuration. Celery gets the SIGTERM and drains.
CMD ["celery", "-A", "worker.app", "worker", "--loglevel", "INFO", "--without-mingle", "--without-gossip"]
