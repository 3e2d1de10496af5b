# The service: one image; its command selects the process. Works with BuildKit and with the classic builder.
#   docker build -t code-interpreter .
#   docker run code-interpreter api | worker | all | keeper, or any command of the command line (keys create …)
# A base that has Node keeps it: --build-arg BASE=node:24-trixie-slim
# Behind a company's network: node scripts/setup.mjs network > network.sh. It stays in stages that are not shipped.
ARG BASE=debian:trixie-slim

FROM ${BASE} AS build
# Debian's Node is 20, which gets no more fixes. It only runs npm here, which installs the Node that the service runs on.
ARG NODE=24.22.3
COPY network.s[h] .npmrc /build/
RUN if [ -f /build/network.sh ]; then . /build/network.sh; fi \
 && if ! command -v npm > /dev/null; then \
      apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nodejs npm ca-certificates; \
    fi
WORKDIR /app
COPY .npmrc package.json package-lock.json ./
RUN if [ -f /build/network.sh ]; then . /build/network.sh; fi \
 && mkdir -p /opt/node/bin /tmp/node \
 && if [ "$(command -v node)" = /usr/bin/node ]; then \
      echo '{}' > /tmp/node/package.json \
      && npm install --prefix /tmp/node --no-audit --no-fund "node-linux-$(node -p process.arch)@$NODE" \
      && cp /tmp/node/node_modules/node-linux-*/bin/node /opt/node/bin/; \
    fi
RUN if [ -f /build/network.sh ]; then . /build/network.sh; fi && npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --no-audit --no-fund \
 && rm -rf node_modules/.cache src && find node_modules dist -name '*.map' -delete
COPY bin ./bin
COPY keeper ./keeper
COPY playground ./playground
COPY sandbox-image/seccomp.json ./sandbox-image/

FROM ${BASE} AS system
COPY network.s[h] .npmrc /build/
# crun makes containers for the keeper; tini, as process 1, reaps orphans.
RUN if [ -f /build/network.sh ]; then . /build/network.sh; fi \
 && printf 'path-exclude=/usr/share/%s/*\n' doc man info locale lintian > /etc/dpkg/dpkg.cfg.d/only-what-runs \
 && apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates crun tini \
 && rm -rf /var/lib/apt/lists /var/cache/apt /var/log/* /build /tmp/network \
 && echo 'service:x:10001:10001:service:/app:/usr/sbin/nologin' >> /etc/passwd \
 && echo 'service:x:10001:' >> /etc/group \
 && install -d -o 10001 -g 10001 -m 0750 /data /keys

# One layer without the way to the registries.
FROM scratch
COPY --from=system / /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY --from=build /opt/node/bin/ /usr/local/bin/
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/bin ./bin
COPY --from=build /app/keeper ./keeper
COPY --from=build /app/playground ./playground
COPY --from=build /app/sandbox-image ./sandbox-image
RUN ln -s /app/bin/service /usr/local/bin/service && node --version
LABEL org.opencontainers.image.title="code-interpreter" \
      org.opencontainers.image.description="Runs untrusted Python in locked-down containers and returns typed results"
ENV NODE_ENV=production HOST=0.0.0.0 METRICS_HOST=0.0.0.0 DATA_DIR=/data
# An account that neither sandboxes nor the host use.
USER 10001:10001
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["service", "health"]
# tini signals only its child, not the whole process group: a duplicate signal would end the child at once.
ENTRYPOINT ["/usr/bin/tini", "--", "service"]
CMD ["api"]
