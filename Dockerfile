# syntax=docker/dockerfile:1
# Built from a checkout: docker build -t gatehouse .
# Run it read-only and without rights; configuration is mounted, state is a volume:
#   docker run --read-only --cap-drop=ALL --security-opt=no-new-privileges \
#     -v ./gateway:/etc/gatehouse:ro -v gatehouse-state:/var/lib/gatehouse -p 6432:6432 -p 6400:6400 gatehouse

FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund --ignore-scripts
COPY . .
# Without its optional packages: the pinned runtimes are for checkouts, the image brings its own.
RUN node scripts/build.mjs \
 && npm prune --omit=dev --omit=optional --no-audit --no-fund --ignore-scripts \
 && mkdir -p /state && chmod 700 /state

FROM gcr.io/distroless/nodejs24-debian12:nonroot
WORKDIR /app
ENV NODE_ENV=production
COPY --from=build --chown=0:0 /build/package.json ./
COPY --from=build --chown=0:0 /build/node_modules ./node_modules
COPY --from=build --chown=0:0 /build/dist ./dist
COPY --from=build --chown=0:0 /build/schema ./schema
COPY --from=build --chown=65532:65532 /state /var/lib/gatehouse
USER 65532:65532
VOLUME /var/lib/gatehouse
EXPOSE 6432 6400
STOPSIGNAL SIGTERM
# No shell in this image: node asks itself. Over TLS a proxy or the orchestrator has to ask instead.
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s \
  CMD ["/nodejs/bin/node", "-e", "fetch('http://127.0.0.1:6400/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["/nodejs/bin/node", "/app/dist/cli/main.js"]
CMD ["serve", "/etc/gatehouse"]
