# doka as an image: no compiler, no package manager's cache, no writable path, an unprivileged user.
# It runs with --read-only --cap-drop ALL --security-opt no-new-privileges.
# Two builds of a commit on one base give the same files: `make same-image`. A release names its base by digest.
ARG BASE=python:3.11-slim-bookworm

FROM $BASE AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# The time of every file of doka's environment, in seconds since 1970; here the one that hatchling takes by default.
ARG SOURCE_DATE_EPOCH=1580601600
# What byte code holds must not hang on the order of a set.
ENV SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH PYTHONHASHSEED=0
WORKDIR /build
# Without pip: the image cannot install anything. Its interpreter is the base image's, found under the same path below.
RUN python3 -m venv --without-pip /opt/doka
COPY requirements requirements
# pip's own byte code would hold the time of its making; nothing changes here afterwards, so none is checked at the start.
RUN python3 -m pip --python /opt/doka/bin/python3 install --no-compile --require-hashes --only-binary :all: -r requirements/runtime.txt \
 && /opt/doka/bin/python3 -m compileall -q --invalidation-mode unchecked-hash /opt/doka/lib \
 && find /opt/doka -exec touch --no-dereference --date=@$SOURCE_DATE_EPOCH {} +
# The build backend comes from the lock as well, and stays in this stage.
RUN python3 -m venv --without-pip /build/backend \
 && awk '/^[a-z0-9]/ { kept = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } kept' requirements/dev.txt \
    > backend.txt \
 && python3 -m pip --python /build/backend/bin/python3 install --require-hashes --only-binary :all: -r backend.txt
COPY LICENSE README.md pyproject.toml ./
COPY scripts/build_hook.py scripts/bill.py scripts/
COPY src src
# Told by `doka --version`, by the first log line and by doka_build_info; the repository itself is not sent here.
ARG COMMIT=""
ENV BUILD_COMMIT=$COMMIT
RUN /build/backend/bin/python3 -m hatchling build -t wheel -d dist \
 && python3 -m pip --python /opt/doka/bin/python3 install --no-compile --no-index --no-deps dist/doka_connector-*.whl \
 && /opt/doka/bin/python3 -m compileall -q --invalidation-mode unchecked-hash /opt/doka/lib/python3*/site-packages/doka \
 && find /opt/doka -newermt @$SOURCE_DATE_EPOCH -exec touch --no-dereference --date=@$SOURCE_DATE_EPOCH {} +

FROM $BASE
LABEL org.opencontainers.image.title="doka" \
      org.opencontainers.image.description="Forwards Kafka records to Amazon Kinesis in another AWS account" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=builder /opt/doka /opt/doka
# Nobody becomes another user here: su, mount, passwd and their like lose the bit that makes them root.
RUN find / -xdev -type f -perm /6000 -exec chmod ug-s {} +
# PYTHONSAFEPATH: what lies in the working directory is never imported.
# PYTHONDONTWRITEBYTECODE: the byte code was written above, and nothing is writable here.
ENV PATH=/opt/doka/bin:$PATH PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1
# Numeric, so that Kubernetes' runAsNonRoot can see that it is not root.
USER 65532:65532
WORKDIR /
# The smoke test: a missing library fails the build, not the first start.
RUN ["doka", "--version"]
RUN ["python3", "-c", "import doka.app.container"]
STOPSIGNAL SIGTERM
# Alive means that the loop turns. A port set in the file only must be repeated in DOKA_HTTP__PORT.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python3", "-c", "import os, urllib.request as web; web.urlopen('http://127.0.0.1:' + os.environ.get('DOKA_HTTP__PORT', '9400') + '/healthz', timeout=4)"]
EXPOSE 9400
ENTRYPOINT ["doka"]
CMD ["run", "--config", "/etc/doka/doka.yaml"]
