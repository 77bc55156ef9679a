# One image for every role; the command says which: celery, producer, report, trainer, python.
#
#   docker build --tag dermscore .
#   docker build --tag dermscore:gpu --build-arg GPU=1 .
#
# BuildKit, which every Docker since 23 builds with, is assumed. docs/deployment.md says how the
# image is run, and what of this was tried.
ARG PYTHON=3.12.12-slim-trixie

# The locked packages: gigabytes, and a layer that changes only with a lockfile.
FROM python:${PYTHON} AS packages
ARG GPU=0
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/dermscore
WORKDIR /build
COPY requirements.lock requirements-gpu.lock ./
RUN case "$GPU" in \
        0) lock=requirements.lock ;; \
        1) lock=requirements-gpu.lock ;; \
        *) echo "GPU=$GPU: build with GPU=0 (CPU) or GPU=1 (CUDA)" >&2; exit 1 ;; \
    esac \
    && /opt/dermscore/bin/pip install --require-hashes --requirement "$lock"

FROM packages AS wheel
COPY pyproject.toml README.md LICENSE ./
COPY base base
COPY db db
COPY imaging imaging
COPY model model
COPY producer producer
COPY report report
COPY trainer trainer
COPY worker worker
RUN /opt/dermscore/bin/pip wheel --no-build-isolation --no-deps --wheel-dir /wheel .

FROM python:${PYTHON}
# The commands' working directory, where any user may write: a cluster, or `docker run --user`,
# may choose another than ours.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin dermscore \
    && install --directory --mode 1777 /dermscore /dermscore/dermscore.features
COPY --from=packages /opt/dermscore /opt/dermscore
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    /opt/dermscore/bin/pip install --no-cache-dir --no-deps /wheel/*.whl
ENV PATH=/opt/dermscore/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /dermscore
USER 10001:10001
# No HEALTHCHECK: most roles end by themselves. docker-compose.yml has one for the worker, whose
# metrics answer as soon as its checkpoint is loaded.
CMD ["celery", "-A", "worker", "worker"]
