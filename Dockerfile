# syntax=docker/dockerfile:1
FROM node:22-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY packages packages
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY src src
# The local runtime unpacks its libraries at the first import: here, so that the image can be read-only.
RUN npm run build && npm prune --omit=dev \
  && node -e "import('@embedql/local-runtime')" && rm -f packages/local-runtime/dist/native/*/*.br

# all-MiniLM-L6-v2 is in the image. Another local model, too: docker build --build-arg MODEL=all-mpnet-base-v2 .
ARG MODEL=
ENV EMBEDQL_MODELS_DIR=/app/models
RUN mkdir -p models && if [ -n "$MODEL" ]; then node dist/cli/bin.js pull "$MODEL"; fi

FROM node:22-slim
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0 PORT=4000 EMBEDQL_MODELS_DIR=/app/models
COPY --from=build --chown=node:node /app/models models
COPY --from=build /app/node_modules node_modules
# node_modules/@embedql links to these.
COPY --from=build /app/packages packages
COPY --from=build /app/dist dist
COPY package.json ./
COPY assets assets
USER node
EXPOSE 4000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/health').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/cli/bin.js", "serve"]
