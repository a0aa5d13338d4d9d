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
# Of make sim: how long, or how many events, in place of SEEDS; and the first seed, random if there is none.
TIME     ?=
EVENTS   ?=
FROM     ?=
# Of make race-long: how often.
COUNT    ?= 10
# Of make mutants: how many, from all over the list.
MUTANTS  ?= all
BIN      := bin

# A clone that belongs to somebody else, or no git at all, must not stop a build: then it carries no commit.
BUILDFLAGS := $(shell git rev-parse HEAD >/dev/null 2>&1 || echo -buildvcs=false)

PROGRAMS := powerhose powerhose-master powerhose-worker powerhose-cworker
# Where the C++ worker is built; the tests in Go build it there too, so that it is built once.
CWORKER  := cworker/build/release
GOTOOL   := go tool -modfile=$(CURDIR)/tools/go.mod
# Each folder with a go.mod of its own, but for the tools'.
MODULES   = $(shell . scripts/lib.sh && go_modules)

say = @printf '==> %s\n'

##@ Start here

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@printf '\nSettings: FUZZTIME=%s SEEDS=%s PREFIX=%s DESTDIR=%s TESTFLAGS=%s\n' '$(FUZZTIME)' '$(SEEDS)' '$(PREFIX)' '$(DESTDIR)' '$(TESTFLAGS)'

.PHONY: run
run: build-go ## Run the demo: a web application whose work is done by two workers
	$(say) 'running the demo, examples/web'
	@$(BIN)/examples/web -demo

.PHONY: test
test: deps cworker ## Run every test, in Go, Python and C++
	@scripts/go-test.sh $(TESTFLAGS)
	@$(MAKE) ctest

##@ Build and install

.PHONY: deps deps-build deps-build-go deps-lint deps-verify deps-fuzz
deps: ## Install the Debian packages that building and testing need
	@scripts/deps.sh test
deps-build:
	@scripts/deps.sh build
deps-build-go:
	@scripts/deps.sh build-go
deps-lint:
	@scripts/deps.sh lint
deps-verify:
	@scripts/deps.sh verify
deps-fuzz:
	@scripts/deps.sh fuzz

.PHONY: build build-go
build: build-go cworker ## Build the programs into bin/, the examples into bin/examples/
build-go: deps-build-go
	$(say) 'building the programs in Go into $(BIN)/'
	@go build $(BUILDFLAGS) -o $(BIN)/ ./cmd/...
	$(say) 'building the examples into $(BIN)/examples/'
	@go build $(BUILDFLAGS) -o $(BIN)/examples/ ./examples/...

.PHONY: cworker
cworker: deps-build ## Build only the worker in C++, bin/powerhose-cworker, and the library it is made of
	$(say) 'building powerhose-cworker into $(BIN)/ (the first time takes a minute)'
	@cd cworker && cmake --preset release >/dev/null
	@cmake --build $(CWORKER) -j "$$(nproc)" >/dev/null
	@install -D -m 0755 $(CWORKER)/program/powerhose-cworker $(BIN)/powerhose-cworker

.PHONY: install
install: $(PROGRAMS:%=$(BIN)/%) ## Install the programs below PREFIX (and DESTDIR, for packagers)
	$(say) 'installing $(PROGRAMS) into $(DESTDIR)$(PREFIX)/bin'
	@install -d '$(DESTDIR)$(PREFIX)/bin'
	@install -m 0755 $^ '$(DESTDIR)$(PREFIX)/bin'

# Only when they are missing, so that `sudo make install` after `make build` compiles nothing as root.
$(PROGRAMS:%=$(BIN)/%):
	@$(MAKE) build

.PHONY: install-cworker
install-cworker: $(CWORKER)/libpowerhose-worker.a ## Install the C++ library below PREFIX: headers, CMake package, pkg-config file
	$(say) 'installing the C++ library into $(DESTDIR)$(PREFIX)'
	@DESTDIR='$(DESTDIR)' cmake --install $(CWORKER) --prefix '$(PREFIX)' --component library >/dev/null

$(CWORKER)/libpowerhose-worker.a:
	@$(MAKE) cworker

.PHONY: clean
clean: ## Remove what was built
	$(say) 'removing $(BIN)/ and cworker/build/'
	@rm -rf $(BIN) cworker/build

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
race: deps cworker ## Run every test under the race detector
	@scripts/go-test.sh -race -shuffle=on $(TESTFLAGS)

.PHONY: race-long
race-long: deps cworker ## Run every test COUNT times under the race detector, and the C++ ones with the thread sanitizer
	@scripts/go-test.sh -race -shuffle=on -count=$(COUNT) -timeout 10h $(TESTFLAGS)
	$(say) 'building cworker/ with the thread sanitizer'
	@cd cworker && cmake --preset tsan >/dev/null
	@cmake --build cworker/build/tsan -j "$$(nproc)" >/dev/null
	@ctest --test-dir cworker/build/tsan --output-on-failure --schedule-random --repeat until-fail:$(COUNT)

.PHONY: ctest
ctest: deps cworker ## Run the tests in C++
	$(say) 'building the tests in C++'
	@cmake $(CWORKER) -DPOWERHOSE_BUILD_TESTS=ON -DPOWERHOSE_BUILD_EXAMPLES=ON >/dev/null
	@cmake --build $(CWORKER) -j "$$(nproc)" >/dev/null
	@ctest --test-dir $(CWORKER) -j "$$(nproc)" --output-on-failure

.PHONY: ctest-asan ctest-tsan
ctest-asan: deps ## Run the C++ tests with the address and undefined behaviour sanitizers
	@scripts/ctest-sanitized.sh asan
ctest-tsan: deps ## Run the C++ tests with the thread sanitizer
	@scripts/ctest-sanitized.sh tsan

.PHONY: ctest-long
ctest-long: ctest ## Run the C++ tests that take minutes too: all 4096 generations of workers that start workers
	@ctest --test-dir $(CWORKER) --output-on-failure -C long -L long

.PHONY: fuzz
fuzz: deps ## Fuzz each fuzz target in Go for FUZZTIME
	@scripts/fuzz.sh $(FUZZTIME)

.PHONY: fuzz-cworker
fuzz-cworker: deps-fuzz ## Fuzz each fuzz target in C++ for FUZZTIME (needs clang, and installs it)
	@scripts/fuzz-cworker.sh $(FUZZTIME)

.PHONY: cover
cover: deps ## Run the tests and write their coverage to bin/cover.html
	$(say) 'measuring coverage'
	@mkdir -p $(BIN)
	@go test -coverpkg=./... -coverprofile=$(BIN)/cover.out ./...
	@go tool cover -html=$(BIN)/cover.out -o $(BIN)/cover.html
	@go tool cover -func=$(BIN)/cover.out | tail -n 1
	$(say) 'see $(BIN)/cover.html'

.PHONY: sim
sim: deps-build-go ## Simulate SEEDS runs of masters, runners and workers with faults, or for TIME=2m, or EVENTS=1000000000
	$(say) 'simulating $(if $(TIME)$(EVENTS),$(if $(TIME),for $(TIME)) $(if $(EVENTS),$(EVENTS) events),$(SEEDS) seeds)'
	@go build $(BUILDFLAGS) -o $(BIN)/test/ ./internal/sim/powerhose-sim
	@$(BIN)/test/powerhose-sim $(if $(TIME),-time $(TIME)) $(if $(EVENTS),-events $(EVENTS)) \
		$(if $(TIME)$(EVENTS),,-seeds $(SEEDS)) $(if $(FROM),-from $(FROM))

.PHONY: mutants
mutants: deps ## Make one bug after the other, and see that simulation or tests catch each; MUTANTS=6 for some
	$(say) 'making bugs: $(MUTANTS)'
	@go build $(BUILDFLAGS) -o $(BIN)/test/ ./internal/sim/powerhose-mutants
	@$(BIN)/test/powerhose-mutants $(if $(filter-out all,$(MUTANTS)),-some $(MUTANTS))

# SEED is that of the schedule of faults, random if there is none.
.PHONY: chaos
chaos: deps cworker ## Break real processes for TIME=1m (kill, stop, cut off, fill the disk), and check every job; SEED=7
	$(say) 'building the processes'
	@go build $(BUILDFLAGS) -o $(BIN)/test/ ./cmd/powerhose-master ./internal/chaos/powerhose-chaos
	@cmake $(CWORKER) -DPOWERHOSE_BUILD_TESTS=ON >/dev/null
	@cmake --build $(CWORKER) --target journal-worker -j "$$(nproc)" >/dev/null
	@$(BIN)/test/powerhose-chaos -cworker $(CWORKER)/tests/journal-worker $(if $(TIME),-time $(TIME)) $(if $(SEED),-seed $(SEED)) -master $(BIN)/test/powerhose-master
	$(say) '100000 runners that submit a job and vanish'
	@POWERHOSE_VANISH=100000 go test -count=1 -run TestRunnersThatSubmitAndVanish ./internal/e2e

.PHONY: test-bare
test-bare: ## Run build, test and run on a bare Debian in a chroot (as root; installs debootstrap)
	@scripts/test-bare.sh

##@ Measure

.PHONY: bench
bench: build ## Measure beside NATS, gRPC, gearmand and raw libzmq; BENCH=full takes longer (results in bench/out/)
	$(say) 'building the benchmarks'
	@go build -C bench $(BUILDFLAGS) -o ../$(BIN)/bench .
	@$(BIN)/bench -out bench/out

.PHONY: overload
overload: deps-build-go ## Offer up to 20 times of capacity, and see how much is done in time (bench/out/overload.md, docs/images/goodput.*)
	$(say) 'building the overload test'
	@go build -C bench $(BUILDFLAGS) -o ../$(BIN)/test/overload ./overload
	@$(BIN)/test/overload -out bench/out -images docs/images

.PHONY: soak
soak: deps-build-go cworker ## A million jobs with faults: nothing may grow; TIME=3h goes on for hours (bench/out/soak.md, soak.csv)
	$(say) 'soaking for $(or $(TIME),3m)'
	@go build -C bench $(BUILDFLAGS) -o ../$(BIN)/test/soak ./soak
	@$(BIN)/test/soak -time $(or $(TIME),3m) -cworker $(BIN)/powerhose-cworker -out bench/out

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
