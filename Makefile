# make help tells what there is. The work is in .ci/*, which can be read and run by itself.

SHELL    := bash
FUZZTIME ?= 10s
BENCH    ?= .

.PHONY: help build signer demo test bench fuzz lint clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## static binaries into bin/
	CGO_ENABLED=0 go build -trimpath -o bin/ $$(go list ./cmd/... | grep -v /brama-signer$$)

signer: ## bin/brama-signer, the one program with cgo: it loads PKCS #11 modules
	CGO_ENABLED=1 go build -trimpath -o bin/ ./cmd/brama-signer

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

.PHONY: test-faults
test-faults: ## every call of a document's life: killed, EIO, ENOSPC; writes docs/reliability.md; BRAMA_FAULTS=regexp of rows
	@base=/dev/shm; [[ -w $$base ]] || base=$${TMPDIR:-/tmp}; TMPDIR=$$base BRAMA_FAULTS="$${BRAMA_FAULTS:-.}" BRAMA_FAULTS_PUBLISH=docs/reliability.md \
		go test -run '^TestFaults$$' -count=1 -parallel 3 -timeout 6h -v ./cmd/bramad

.PHONY: test-large
test-large: ## eight documents of 50 MB at once, beside their signatures and in containers: memory, bytes read and written
	BRAMA_LARGE=1 go test -run '^TestLarge' -count=1 -timeout 30m -v ./cmd/bramad

.PHONY: test-powercuts
test-powercuts: ## power cuts of the daemon on ext4 and XFS, with controls, into docs/reliability.md (root, /dev/fuse; Debian: e2fsprogs, xfsprogs)
	BRAMA_POWERCUTS=$${BRAMA_POWERCUTS:-100} BRAMA_POWERCUTS_REPORT=$(CURDIR)/docs/reliability.md \
		go test -run '^TestPowerCuts$$' -count=1 -timeout 3h -v ./cmd/bramad

.PHONY: test-arm64 dudect

test-arm64: ## the signature's arithmetic on arm64, under qemu-user (Debian: apt-get install qemu-user)
	@if command -v qemu-aarch64 >/dev/null; then \
		GOARCH=arm64 CGO_ENABLED=0 go test -short -exec qemu-aarch64 ./crypto/gf2m ./crypto/dstu4145; \
	elif [[ "$${CI:-}" == true ]]; then \
		echo "qemu-aarch64 is not here (Debian: qemu-user)"; exit 1; \
	else \
		echo "LEFT OUT: arm64: qemu-aarch64 is not here (Debian: qemu-user)"; \
	fi

dudect: ## does the time of signing depend on the key? a statistical test, some minutes
	BRAMA_DUDECT=1 go test -count=1 -timeout 30m -run TestTiming -v ./crypto/dstu4145

.PHONY: bench-dstu

bench-dstu: ## DSTU 4145 beside Bouncy Castle (Debian: libbcprov-java, default-jdk-headless), one core, ratios
	BRAMA_BENCH=1 go test -count=1 -p 1 -run TestBesideBouncyCastle -v ./crypto/dstu4145 ./crypto/cades

.PHONY: bench-validate

bench-validate: ## full validation with chain and revocation beside OpenSSL's CMS_verify (Debian: gcc, libssl-dev), one core, ratios
	BRAMA_BENCH=1 go test -count=1 -run '^TestBesideOpenSSL$$' -v ./crypto/cades

.PHONY: bench-spool bench-restart

bench-spool: ## durable accepts, claims and answers as ratios to the disk; BRAMA_BENCH_STORED=1000000 sets a full store beside
	BRAMA_BENCH=1 go test -count=1 -timeout 120m -run '^TestBesideTheDisk$$' -v ./spool/sqlite

bench-restart: ## seconds until READY with 1,000,000 documents, 100,000 of them unfinished (BRAMA_BENCH_STORED)
	BRAMA_BENCH=1 go test -count=1 -timeout 60m -run '^TestRestartFull$$' -v ./cmd/bramad

.PHONY: bench-formats

bench-formats: ## 100 MB DBF, 66 MB pain.001: speed and memory, beside the XSD engine alone and xmllint (Debian: libxml2-utils)
	BRAMA_BENCH=1 go test -count=1 -timeout 30m -run '^TestMeasure$$' -v ./formats/profile

MUTANTS ?= 2000000
SEED    ?= 1

.PHONY: mutants

mutants: ## MUTANTS (2000000) damaged documents of every layout through the readers, from SEED on: no panic, no second, no 64 MiB
	BRAMA_MUTANTS=$(MUTANTS) BRAMA_MUTANTS_SEED=$(SEED) go test -count=1 -timeout 6h -run '^TestMutants$$' -v ./formats/profile

.PHONY: simulate simulate-engines

simulate: ## BRAMA_SIM_HISTORIES (1000000) random histories of the core beside a model, from BRAMA_SIM_SEED (1) on; BRAMA_SIM_WORKERS at once
	BRAMA_SIM_HISTORIES=$${BRAMA_SIM_HISTORIES:-1000000} GOGC=$${GOGC:-800} go test -count=1 -timeout 12h -run '^TestSimulate$$' -v ./gateway/simtest

simulate-engines: ## the same over SQLite (BRAMA_SIM_ENGINES, 2000) and PostgreSQL (a tenth; Debian: postgresql)
	BRAMA_SIM_ENGINES=$${BRAMA_SIM_ENGINES:-2000} go test -count=1 -timeout 12h -run '^TestSimulateEngines$$' -v ./gateway/simtest

.PHONY: bench-journal

bench-journal: ## append of a row with the checkpoint of each minute, and the check of a proof, cold and warm
	go test -count=1 -run '^$$' -bench 'Append|ProofCheck|ProofParts' -benchtime 1s ./gateway/journal
