# make help tells what there is. The work is in .ci/*, which can be read and run by itself.

SHELL    := bash
FUZZTIME ?= 10s
BENCH    ?= .

.PHONY: help build demo test bench fuzz lint clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## static binaries into bin/
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/...

demo: build ## the whole way of a document on this machine, shown step by step
	@command -v sftp >/dev/null || .ci/install openssh-client || echo "without the OpenSSH client the demo uploads with a built-in one"
	bin/bramactl demo --once

test: ## everything that must hold; installs what the tests need where it may (.ci/test)
	.ci/test

bench: ## benchmarks; BENCH=regexp chooses
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

fuzz: ## every fuzz target for FUZZTIME (10s)
	.ci/fuzz $(FUZZTIME)

lint: ## vet, gofumpt, staticcheck
	.ci/lint

clean: ## remove what was built
	rm -rf bin demo

.PHONY: test-crash
test-crash: ## 200 kills of the daemon under load; BRAMA_CRASH_ROUNDS, BRAMA_CRASH_SEED
	BRAMA_CRASH_ROUNDS=$${BRAMA_CRASH_ROUNDS:-200} go test -run '^TestCrash$$' -count=1 -timeout 30m -v ./cmd/bramad
