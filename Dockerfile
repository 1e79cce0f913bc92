# The image that Kubeflow's tasks run in (target `full`, the default), and a small one for the line (target `detector`).
#
#   make image                                     # builds both with docker, podman or buildah
#   docker build --build-arg BASE_IMAGE=… .        # any Debian or Ubuntu with Python 3.11 or newer
#   docker build --build-arg TORCH_INDEX=…/cu126 . # CUDA: the index of torch's builds to install from
#
# Nothing is compiled here: every library comes as a wheel, so no image holds a compiler.

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
RUN /opt/autonad/bin/python -m pip install --no-cache-dir -c constraints.txt .

FROM build AS build-full
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_NO_INDEX
ARG TORCH_INDEX=
RUN if [ -n "${TORCH_INDEX}" ]; then \
        /opt/autonad/bin/python -m pip install --no-cache-dir -c constraints.txt --index-url "${TORCH_INDEX}" torch; \
    fi && \
    /opt/autonad/bin/python -m pip install --no-cache-dir -c constraints.txt ".[full]"

# -- what is kept ---------------------------------------------------------------------------------------------

FROM base AS runtime
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="AutoNAD" \
      org.opencontainers.image.description="Designs the defect detector for your images and for the device that will run it" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# OpenShift runs with a random user of group 0: the working folder belongs to that group.
RUN mkdir -p /app && chgrp 0 /app && chmod 2775 /app
ENV PATH=/opt/autonad/bin:${PATH} HOME=/app AUTONAD_GIT_SHA=${REVISION} \
    NO_ALBUMENTATIONS_UPDATE=1 MLFLOW_DISABLE_TELEMETRY=true DVC_NO_ANALYTICS=true MPLCONFIGDIR=/tmp/matplotlib
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
