# syntax=docker/dockerfile:1
# One image with every program: `docker build -t shared-calendar .`, then `docker run shared-calendar gateway serve`.

ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM rust:1.95-slim-bookworm AS build
WORKDIR /source
COPY . .
# The queries are checked against the committed metadata: a build needs no database.
ENV SQLX_OFFLINE=true
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --bins \
        -p auth-service -p calendar-service -p notification-service -p activity-service -p gateway && \
    mkdir -p /programs && \
    find target/release -maxdepth 1 -type f -perm -u+x ! -name '*.so' \
        \( -name '*-service' -o -name gateway \) -exec cp {} /programs/ \;

# No shell, no package manager, nothing to write to.
FROM ${RUNTIME}
COPY --from=build /programs/ /usr/local/bin/
ENV PATH=/usr/local/bin
USER 65532:65532
STOPSIGNAL SIGTERM
EXPOSE 8080
CMD ["gateway", "serve"]
