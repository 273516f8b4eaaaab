# docker build -t kmodels . && docker run --rm -v "$PWD:/work" --user "$(id -u):$(id -g)" kmodels fit --model nand
FROM python:3.12-slim
RUN apt-get update && apt-get install -y --no-install-recommends libsndfile1 && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml README.md LICENSE /source/
COPY kmodels /source/kmodels
RUN pip install --no-cache-dir "/source[tensorflow]" && rm -r /source
# Whoever runs it, and has no home here, may write what is cached, and runs where no folder is mounted.
ENV HOME=/tmp KMODELS_CACHE=/tmp/kmodels MPLCONFIGDIR=/tmp/matplotlib
RUN install -d -m 1777 /work
WORKDIR /work
ENTRYPOINT ["kmodels"]
