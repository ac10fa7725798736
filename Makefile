# Two commands are all there is to know: `make run` and `make test`. The rest is for people who change things.

.DEFAULT_GOAL := help
.PHONY: help run test lint sqlx bench-gateway bench-rooms bench-logins bench-events bench-timers

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build and start everything in one process (see docs/OPERATIONS.md for the settings)
	@scripts/run.sh

test: ## lint, and every test, beside private servers (see docs/TESTING.md)
	@scripts/test.sh

lint: ## everything that is checked without running the product
	@scripts/lint.sh

sqlx: ## write the query metadata in .sqlx anew, after a change to a query or a migration
	@scripts/sqlx.sh

bench-gateway: ## what the gateway costs a read (for these five see docs/BENCHMARKS.md)
	@scripts/bench.sh $@

bench-rooms: ## what a delivery in a room costs, and an idle socket
	@scripts/bench.sh $@

bench-logins: ## logins a second, beside the bare hash rate
	@scripts/bench.sh $@

bench-events: ## reading and creating events, beside PostgreSQL alone
	@scripts/bench.sh $@

bench-timers: ## setting timers, and their webhooks: in a burst, evenly, through a kill
	@scripts/bench.sh $@
