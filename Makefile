# Thin: the build is Meson's, what takes more than a line is in tools/. `make help` lists the targets.
PYTHON := /usr/bin/python3
PREFIX ?= /usr/local
ARGS   ?=
TRACES ?=
TIME   ?= 60
SEEDS  ?= 10000
SUITES ?=

.DEFAULT_GOAL := build
.PHONY: help build run test lint bench fuzz sim soak interop install clean

help:
	@echo 'make build                build/release/weir (installs what building needs)'
	@echo 'make run [ARGS=DSN...]    serve the demo database, or what ARGS says'
	@echo 'make test                 every test, from nothing; ends with a count'
	@echo 'make test SANITIZE=thread the same under the thread sanitizer'
	@echo 'make lint                 format, warnings, clang-tidy, cppcheck, layers, lengths'
	@echo 'make bench                side by side with peers, into bench/results/'
	@echo 'make bench TRACES=dir     the cache policies on the traces there, nothing else'
	@echo 'make fuzz TIME=60         the fuzz targets, TIME seconds in all'
	@echo 'make sim SEEDS=10000      the simulator'
	@echo 'make interop [SUITES=...]     drivers'\'' own tests, directly and through Weir'
	@echo 'make soak                 the long versions of the checkers (hours)'
	@echo 'make install PREFIX=...   binary, library, header, man page, systemd unit'
	@echo 'make clean                removes build/'

build:
	@tools/install-deps.sh build
	@tools/build.sh release src/cli/weir

# An unfinished demo.db never has its name (tools/demo.py renames at the end).
run: build
	@test -e demo.db || $(PYTHON) tools/demo.py demo.db
	@exec build/release/weir serve $(or $(ARGS),sqlite:demo.db)

test:
	@tools/install-deps.sh build test
	@SANITIZE=$(SANITIZE) tools/test.sh

lint:
	@tools/install-deps.sh build test lint
	@tools/lint.sh

bench:
	@tools/install-deps.sh build test bench
	@tools/build.sh release src/cli/weir benches
	@$(PYTHON) bench/run.py $(if $(TRACES),--traces '$(TRACES)') $(ARGS)

fuzz:
	@tools/install-deps.sh build test
	@tools/build.sh asan
	@TIME=$(TIME) tools/fuzz.sh

sim:
	@tools/install-deps.sh build test
	@tools/build.sh release tests/sim/sim_gateway
	@tools/sim.sh $(SEEDS)

soak:
	@$(MAKE) --no-print-directory sim SEEDS=1000000
	@WEIR_E2E_SECONDS=1200 WEIR_DIFFERENTIAL_SECONDS=1200 \
	    WEIR_PG_DIFFERENTIAL_SECONDS=1200 WEIR_ORM_REQUESTS=20000 $(MAKE) --no-print-directory test
	@tools/build.sh release
	@for b in asan release; do $(PYTHON) tests/checker/checker.py --rounds 20 --seed 100 \
	    build/$$b/weir build/$$b/tests/checker/checker build/$$b/tests/checker/outsider \
	    || exit 1; done
	@$(PYTHON) tests/coherence/coherence.py --operations 1000000 --seed 100 build/release/weir \
	    build/release/tests/coherence/coherence || exit 1
	@for how in streams,slow,commits,backends,tier,cancels,roles,sync \
	    streams,restart,crash,tier,roles,sync,lossy slow,commits,failover,restart,crash,roles,sync \
	    replica,streams,restart,crash,roles,sync; do \
	    for level in strict session bounded; do $(PYTHON) tests/coherence/coherence.py --hits 1 \
	    --rounds 4 --operations 100000 --seed 200 --level $$level --disturb $$how \
	    build/release/weir build/release/tests/coherence/coherence || exit 1; done; done
	@$(PYTHON) tests/coherence/kills.py --kills 1000 build/release/weir
	@for how in '' --kills; do $(PYTHON) tests/isolation/isolation.py --rounds 10 --seed 100 \
	    --checks 1000000 $$how build/release/weir build/release/tests/isolation/isolation \
	    || exit 1; done
	@$(MAKE) --no-print-directory fuzz TIME=14400

# Of all targets the only one that may use PyPI, npm, Go's modules and Maven's artifacts.
interop:
	@tools/install-deps.sh build test interop
	@tools/build.sh release src/cli/weir
	@$(PYTHON) tests/interop/run.py $(SUITES)

install:
	@tools/install-deps.sh build
	@tools/build.sh release src/cli/weir libweir
	@meson configure build/release --prefix='$(abspath $(PREFIX))'
	@tools/build.sh release src/cli/weir libweir
	@meson install -C build/release --no-rebuild

clean:
	rm -rf build
