# The image that Kubeflow's tasks run in (target `full`, the default), and a small one for the line (target `detector`).
#
#   make image                                  # builds both with docker, podman or buildah, for the processor
#   docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu126 .   # for NVIDIA's GPUs; some GB more
#   docker build --build-arg TORCH_INDEX= .     # torch from where pip finds everything else
#   docker build --build-arg BASE_IMAGE=… .     # any Debian or Ubuntu with Python 3.11 or newer
#
# Nothing is compiled here but bytecode: every library comes as a wheel, so no image holds a compiler. Git is not needed
# either: DVC speaks to repositories through dulwich.

ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS base
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# -- what is built, and thrown away -----------------------------------------------------------------------

FROM base AS build
WORKDIR /src
RUN python3 -m venv /opt/autonad
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY autonad autonad
COPY pipelines pipelines

FROM build AS build-detector
# PIP_* arguments are for machines that have an index of their own; they are not kept in the image.
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_NO_INDEX
RUN /opt/autonad/bin/python -m pip install --no-cache-dir --no-compile -c constraints.txt .
RUN python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/autonad/lib || true

FROM build AS build-full
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_NO_INDEX
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# That index has torch; what torch needs comes with everything else, in the versions of constraints.txt.
RUN if [ -n "${TORCH_INDEX}" ]; then \
        /opt/autonad/bin/python -m pip install --no-cache-dir --no-compile --no-deps -c constraints.txt --index-url "${TORCH_INDEX}" torch; \
    fi && \
    /opt/autonad/bin/python -m pip install --no-cache-dir --no-compile -c constraints.txt ".[full]"
# A user without files of its own could keep no bytecode, and compiling takes seconds of every task. It is taken without
# a look at the source, whose date a registry may change. Some libraries ship files that are no Python of today.
RUN python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/autonad/lib || true

# -- what is kept ---------------------------------------------------------------------------------------------

FROM base AS runtime
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="AutoNAD" \
      org.opencontainers.image.description="Designs the defect detector for your images and for the device that will run it" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Python's official images come without bytecode of the standard library.
RUN python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" > /dev/null || true
# OpenShift runs with a random user of group 0: the working folder belongs to that group, and the user's name, which
# /etc/passwd cannot know, is in the environment (DVC asks for it).
RUN mkdir -p /app && chgrp 0 /app && chmod 2775 /app
ENV PATH=/opt/autonad/bin:${PATH} HOME=/app USER=autonad LOGNAME=autonad AUTONAD_GIT_SHA=${REVISION} \
    GIT_PYTHON_REFRESH=quiet NO_ALBUMENTATIONS_UPDATE=1 MLFLOW_DISABLE_TELEMETRY=true DVC_NO_ANALYTICS=true \
    MPLCONFIGDIR=/tmp/matplotlib
WORKDIR /app
USER 1000:0

FROM runtime AS detector
COPY --from=build-detector /opt/autonad /opt/autonad
ENTRYPOINT ["autonad"]
CMD ["--help"]

FROM runtime AS full
COPY --from=build-full /opt/autonad /opt/autonad
# No entry point: Kubeflow gives each task its command.
CMD ["autonad", "--help"]
