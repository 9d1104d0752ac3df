# The image of web, worker, beat and migrate. FLAVOUR=gpu takes ONNX Runtime for CUDA.
FROM python:3.13-slim

ARG FLAVOUR=cpu
WORKDIR /app
COPY requirements/ requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/${FLAVOUR}.txt
COPY pyproject.toml README.md ./
COPY core/ core/
COPY web/ web/
COPY workers/ workers/
COPY migrations/ migrations/
COPY models/packs.toml models/packs.toml
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
    && useradd --create-home --uid 10001 facesearch \
    && mkdir -p /data/run /models \
    && chown -R facesearch /data /models

USER facesearch
ENV FACESEARCH_DATA_DIR=/data FACESEARCH_MODELS_DIR=/models
VOLUME ["/data", "/models"]
