# The image that Kubeflow's tasks run in (target `full`, the default), and a small one for the line (target `detector`).
#
#   make image                                       # builds both with docker, podman or buildah
#   docker build --build-arg TORCH_INDEX=…/cu126 .   # torch for GPUs; it is for processors by default: 2.6 GB, not 6.6
#   docker build --build-arg TORCH_INDEX= .          # torch from where pip finds everything else
#   docker build --build-arg BASE_IMAGE=… .          # any Debian or Ubuntu with Python 3.11 or newer
#
# Nothing is compiled here but bytecode: every library comes as a wheel, so no image holds a compiler. Git is not needed
# either: DVC reads repositories through libraries of its own.

ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS base
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# A user without files of its own could keep no bytecode, and compiling takes seconds of every task. Python takes it
# without a look at the source, whose date a registry may change. Some libraries ship files that are no Python of today,
# and the official images come without bytecode of the standard library.
RUN printf '%s\n' '#!/bin/sh' 'python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash "$@" || true' \
        > /usr/local/bin/compile-python \
    && chmod +x /usr/local/bin/compile-python \
    && compile-python "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" > /dev/null

# -- what is built, and thrown away -----------------------------------------------------------------------

# The libraries alone, so that a change of AutoNAD leaves their layer as it is.
FROM base AS build
WORKDIR /src
COPY constraints.txt pyproject.toml ./
RUN python3 -m venv /opt/autonad \
    && printf '%s\n' 'import sys, tomllib' 'project = tomllib.load(open("pyproject.toml", "rb"))["project"]' \
        'for one in sys.argv[1:]: print(*project["optional-dependencies"][one], sep="\n")' \
        'print(*project["dependencies"], sep="\n")' > requirements.py

# PIP_* arguments are for machines that have an index of their own; they are not kept in the image, and a stage does not
# inherit them.
FROM build AS libraries-detector
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_NO_INDEX
RUN python3 requirements.py > requirements.txt \
    && /opt/autonad/bin/pip install --no-cache-dir --no-compile -c constraints.txt -r requirements.txt \
    && compile-python /opt/autonad/lib

FROM build AS libraries-full
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_NO_INDEX
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# That index has torch; what torch needs comes with everything else, in the versions of constraints.txt.
RUN python3 requirements.py full > requirements.txt \
    && pip="/opt/autonad/bin/pip install --no-cache-dir --no-compile -c constraints.txt" \
    && if [ -n "${TORCH_INDEX}" ]; then ${pip} --no-deps --index-url "${TORCH_INDEX}" torch; fi \
    && ${pip} -r requirements.txt \
    && compile-python /opt/autonad/lib

FROM build AS wheel
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG PIP_NO_INDEX
COPY README.md LICENSE ./
COPY autonad autonad
COPY pipelines pipelines
COPY dvc.yaml ./
COPY variants variants
RUN /opt/autonad/bin/pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

# -- what is kept ---------------------------------------------------------------------------------------------

FROM base AS runtime
LABEL org.opencontainers.image.title="AutoNAD" \
      org.opencontainers.image.description="Designs the defect detector for your images and for the device that will run it" \
      org.opencontainers.image.licenses="Apache-2.0"
# OpenShift runs with a random user of group 0: the working folder belongs to that group, and the user's name, which
# /etc/passwd cannot know, is in the environment (DVC asks for it).
RUN mkdir -p /app && chgrp 0 /app && chmod 2775 /app
ENV PATH=/opt/autonad/bin:${PATH} HOME=/app USER=autonad LOGNAME=autonad GIT_PYTHON_REFRESH=quiet \
    MLFLOW_DISABLE_TELEMETRY=true DVC_NO_ANALYTICS=true ORT_DISABLE_TELEMETRY=1 \
    MPLCONFIGDIR=/tmp/matplotlib
WORKDIR /app

FROM runtime AS detector
COPY --from=libraries-detector /opt/autonad /opt/autonad
COPY --from=wheel /wheel /wheel
RUN pip install --no-cache-dir --no-compile --no-index --no-deps /wheel/*.whl \
    && compile-python /opt/autonad/lib/python3*/site-packages/autonad \
    && rm -r /wheel
USER 1000:0
ARG VERSION=0
ARG REVISION=unknown
ENV AUTONAD_GIT_SHA=${REVISION}
LABEL org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}"
EXPOSE 8080
# Mount the model at /model, or name it: docker run … autonad-detector serve --model /elsewhere/model.onnx --host 0.0.0.0
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/ready', timeout=2)"]
ENTRYPOINT ["autonad"]
CMD ["serve", "--model", "/model/model.onnx", "--host", "0.0.0.0", "--port", "8080"]

FROM runtime AS full
COPY --from=libraries-full /opt/autonad /opt/autonad
COPY --from=wheel /wheel /wheel
RUN pip install --no-cache-dir --no-compile --no-index --no-deps /wheel/*.whl \
    && compile-python /opt/autonad/lib/python3*/site-packages/autonad \
    && rm -r /wheel
USER 1000:0
ARG VERSION=0
ARG REVISION=unknown
ENV AUTONAD_GIT_SHA=${REVISION}
LABEL org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}"
# No entry point: Kubeflow gives each task its command.
CMD ["autonad", "--help"]
