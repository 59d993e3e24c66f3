# One worker, pinned to one model by MODEL. The CUDA libraries come with torch's wheels, so the base stays small and the
# host needs only the driver and the NVIDIA container toolkit. Build from the repository's root:
# docker build -f deploy/worker.Dockerfile .
# With --build-arg WITH_FFMPEG=1 it also writes m4a and aac: 80 MB more, a GPL build of ffmpeg (docs/licences.md).
FROM python:3.11-slim-bookworm AS build
RUN pip install --no-cache-dir uv==0.13.8 && python -m venv /opt/venv
COPY requirements/worker.txt requirements/audiocraft.txt requirements/embedded.txt /tmp/
ARG WITH_FFMPEG=
RUN uv pip install --no-cache --python /opt/venv/bin/python -r /tmp/worker.txt \
    && uv pip install --no-cache --python /opt/venv/bin/python --no-deps -r /tmp/audiocraft.txt \
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
    MODEL=small CACHE_DIR=/cache LOCAL_STORAGE_PATH=/data/audio \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
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
