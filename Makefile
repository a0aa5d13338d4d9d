# SPDX-License-Identifier: Apache-2.0
#
# Everything a machine needs is installed by these targets; CI (.ci/run) calls them and nothing else.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory
.DEFAULT_GOAL := help
.NOTPARALLEL:

# Go's own installer puts it here; sudo and cron often drop that folder from PATH.
export PATH := $(PATH):/usr/local/go/bin

PREFIX   ?= /usr/local
DESTDIR  ?=
FUZZTIME ?= 30s
SEEDS    ?= 1000
BIN      := bin

# A clone that belongs to somebody else, or no git at all, must not stop a build: then it carries no commit.
BUILDFLAGS := $(shell git rev-parse HEAD >/dev/null 2>&1 || echo -buildvcs=false)

PROGRAMS := powerhose powerhose-master powerhose-worker
GOTOOL   := go tool -modfile=$(CURDIR)/tools/go.mod
# Each folder with a go.mod of its own, but for the tools'.
MODULES   = $(shell . scripts/lib.sh && go_modules)

say = @printf '==> %s\n'

##@ Start here

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@printf '\nSettings: FUZZTIME=%s SEEDS=%s PREFIX=%s DESTDIR=%s TESTFLAGS=%s\n' '$(FUZZTIME)' '$(SEEDS)' '$(PREFIX)' '$(DESTDIR)' '$(TESTFLAGS)'

.PHONY: run
run: build ## Run the demo: a web application whose work is done by two workers
	$(say) 'running the demo, examples/web'
	@$(BIN)/examples/web -demo

.PHONY: test
test: deps ## Run every test
	@scripts/go-test.sh $(TESTFLAGS)

##@ Build and install

.PHONY: deps deps-build deps-lint deps-verify
deps: ## Install the Debian packages that building and testing need
	@scripts/deps.sh test
deps-build:
	@scripts/deps.sh build
deps-lint:
	@scripts/deps.sh lint
deps-verify:
	@scripts/deps.sh verify

.PHONY: build
build: deps-build ## Build the programs into bin/, the examples into bin/examples/
	$(say) 'building $(PROGRAMS) into $(BIN)/'
	@go build $(BUILDFLAGS) -o $(BIN)/ ./cmd/...
	$(say) 'building the examples into $(BIN)/examples/'
	@go build $(BUILDFLAGS) -o $(BIN)/examples/ ./examples/...

.PHONY: install
install: $(PROGRAMS:%=$(BIN)/%) ## Install the programs below PREFIX (and DESTDIR, for packagers)
	$(say) 'installing $(PROGRAMS) into $(DESTDIR)$(PREFIX)/bin'
	@install -d '$(DESTDIR)$(PREFIX)/bin'
	@install -m 0755 $^ '$(DESTDIR)$(PREFIX)/bin'

# Only when they are missing, so that `sudo make install` after `make build` compiles nothing as root.
$(PROGRAMS:%=$(BIN)/%):
	@$(MAKE) build

.PHONY: clean
clean: ## Remove what was built
	$(say) 'removing $(BIN)/'
	@rm -rf $(BIN)

##@ Check

.PHONY: verify
verify: deps-verify ## Check formatting, go.mod, import rules, generated files and links: seconds, so CI does it first
	@scripts/check-sources.sh
	@scripts/check-links.sh
	@scripts/check-packages.sh
	@scripts/check-dependencies.sh
	@scripts/check-generated.sh
	@scripts/check-format.sh

.PHONY: lint
lint: deps-lint ## Run go vet, golangci-lint and shellcheck
	$(say) 'shellcheck'
	@shellcheck -x -P scripts scripts/*.sh .ci/run
	@for module in $(MODULES); do \
		printf '==> in %s: go vet ./...\n' "$$module"; \
		go -C "$$module" vet ./...; \
		printf '==> in %s: golangci-lint (the first run builds it, which takes minutes)\n' "$$module"; \
		(cd "$$module" && $(GOTOOL) golangci-lint run --allow-parallel-runners --config '$(CURDIR)/.golangci.yml' ./...); \
	done

.PHONY: fmt
fmt: ## Format the Go code and tidy the go.mod files
	$(say) 'gofumpt'
	@$(GOTOOL) gofumpt -w .
	@for module in $(MODULES); do \
		printf '==> in %s: go mod tidy\n' "$$module"; \
		go -C "$$module" mod tidy; \
	done

.PHONY: race
race: deps ## Run every test under the race detector
	@scripts/go-test.sh -race $(TESTFLAGS)

.PHONY: ctest
ctest: deps ## Build the C++ worker library with its tests, and run them
	$(say) 'building cworker/'
	@cmake -S cworker -B cworker/build >/dev/null
	@cmake --build cworker/build -j2 >/dev/null
	@ctest --test-dir cworker/build --output-on-failure

.PHONY: fuzz
fuzz: deps ## Fuzz each fuzz target for FUZZTIME
	@scripts/fuzz.sh $(FUZZTIME)

.PHONY: cover
cover: deps ## Run the tests and write their coverage to bin/cover.html
	$(say) 'measuring coverage'
	@mkdir -p $(BIN)
	@go test -coverpkg=./... -coverprofile=$(BIN)/cover.out ./...
	@go tool cover -html=$(BIN)/cover.out -o $(BIN)/cover.html
	@go tool cover -func=$(BIN)/cover.out | tail -n 1
	$(say) 'see $(BIN)/cover.html'

.PHONY: sim
sim: ## Simulate SEEDS runs of masters, runners and workers with faults, from random seeds
	$(say) 'simulating $(SEEDS) seeds'
	@go run ./internal/sim/powerhose-sim -seeds $(SEEDS)

.PHONY: test-bare
test-bare: ## Run build, test and run on a bare Debian in a chroot (as root; installs debootstrap)
	@scripts/test-bare.sh

##@ Measure

.PHONY: bench
bench: build ## Measure beside NATS, gRPC, gearmand and raw libzmq; BENCH=full takes longer (results in bench/out/)
	$(say) 'building the benchmarks'
	@go build -C bench $(BUILDFLAGS) -o ../$(BIN)/bench .
	@$(BIN)/bench -out bench/out

.PHONY: bench-deps
bench-deps: ## Install the Debian packages of the peers that are measured beside ours
	@scripts/deps.sh bench

##@ Generate

.PHONY: generate
generate: deps-verify ## Write the generated code anew
	$(say) 'go generate'
	@go generate ./...

.PHONY: vectors
vectors: ## Make the crypto vectors anew (a minute; needs python3-cryptography)
	@python3 -B protocol/crypto/testdata/generate/main.py
