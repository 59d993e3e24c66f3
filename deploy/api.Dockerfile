# The web side, and housekeeping (another command): no torch, a few hundred MB. Build from the repository's root: docker build -f deploy/api.Dockerfile .
FROM python:3.11-slim-bookworm AS build
RUN pip install --no-cache-dir uv==0.13.8 && python -m venv /opt/venv
COPY requirements/api.txt /tmp/
RUN uv pip install --no-cache --python /opt/venv/bin/python -r /tmp/api.txt
# the page's libraries, by npm; where its registry cannot be reached the image is built all the same, and / says so
WORKDIR /build
COPY requirements/test-clients.txt requirements/test-clients.txt
COPY stack/__init__.py stack/__init__.py
COPY stack/install stack/install
COPY page page
RUN python -m stack.install.page_libraries

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home ostinato && install -d -o ostinato /app /data
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0 PORT=8000 \
    LOCAL_STORAGE_PATH=/data/audio
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY shared shared
COPY mixing mixing
COPY api api
COPY --from=build /build/page page
COPY clients/js/src clients/js/src
COPY housekeeping housekeeping
COPY stack/gunicorn.conf.py stack/gunicorn.conf.py
USER ostinato
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ['PORT']}/health/live\", timeout=4)"]
CMD ["gunicorn", "--config", "stack/gunicorn.conf.py", "api.wsgi:app"]
