# Two commands are all there is to know: `make run` and `make test`. The rest is for people who change things.

.DEFAULT_GOAL := help
.PHONY: help run cluster secrets certs test lint sqlx dashboards bench-gateway bench-gateway-instructions bench-rooms bench-logins bench-events bench-activity bench-relay bench-timers

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-26s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build and start everything in one process (see docs/OPERATIONS.md for the settings)
	@scripts/run.sh

cluster: ## build and start several instances of everything, as docker-compose.yml does (see docs/OPERATIONS.md)
	@scripts/cluster.sh

secrets: ## make the secrets of a system in ./secrets, for deployments of your own
	@scripts/cluster/secrets.sh secrets && echo "made in ./secrets"

certs: ## make a CA and a certificate for every service in ./secrets/tls, for TLS of your own (see docs/OPERATIONS.md)
	@scripts/cluster/certs.sh secrets/tls && echo "made in ./secrets/tls"

test: ## lint, and every test, beside private servers (see docs/TESTING.md)
	@scripts/test.sh

lint: ## everything that is checked without running the product
	@scripts/lint.sh

sqlx: ## write the query metadata in .sqlx anew, after a change to a query or a migration
	@scripts/sqlx.sh

dashboards: ## write grafana/dashboards/*.json anew, after a change to grafana/dashboards.py
	@grafana/dashboards.py

bench-gateway: ## what the gateway costs a read (for all of these see docs/BENCHMARKS.md)
	@scripts/bench.sh $@

bench-gateway-instructions: ## the same in instructions, whatever else the machine does; needs valgrind
	@scripts/bench.sh bench-gateway --instructions

bench-rooms: ## what a delivery in a room costs, and an idle socket
	@scripts/bench.sh $@

bench-logins: ## logins a second, beside the bare hash rate
	@scripts/bench.sh $@

bench-events: ## reading and creating events, beside PostgreSQL alone
	@scripts/bench.sh $@

bench-activity: ## device events in batches, durable, through the gateway and by gRPC
	@scripts/bench.sh $@

bench-timers: ## setting timers, and their webhooks: in a burst, evenly, through a kill
	@scripts/bench.sh $@

bench-relay: ## ten million events in order to a hundred clients, direct and through RabbitMQ
	@scripts/bench.sh $@
