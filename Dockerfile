# docker build -t groundchat .          then: docker run -p 7860:7860 -v groundchat:/data groundchat
# The CPU build of PyTorch is the default; for NVIDIA GPUs: --build-arg TORCH_INDEX=
FROM python:3.11-slim

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN useradd --create-home --uid 1000 groundchat \
    && mkdir /data \
    && chown groundchat /data
WORKDIR /app

COPY requirements.txt .
RUN pip install --no-cache-dir --disable-pip-version-check \
        ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -r requirements.txt

COPY --chown=groundchat . .
USER groundchat
ENV GROUNDCHAT_HOST=0.0.0.0 \
    GROUNDCHAT_DATA_DIR=/data \
    HF_HOME=/data/huggingface \
    PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 7860
HEALTHCHECK --start-period=60s --interval=30s --timeout=5s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]
ENTRYPOINT ["python", "app.py"]
