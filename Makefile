# mirrorgate: build, test, install. `make help` lists the targets.
#
# One set of rules serves every configuration: CONFIG picks the flags and BUILD the folder
# (release: build, asan: build/asan, coverage: build/coverage, fuzz: build/fuzz, and so on). A target that
# needs another configuration calls make again. Sources are found by wildcard, so a new file needs
# no edit here.

VERSION := 0.1.0
CONFIG ?= release
BUILD ?= build$(if $(filter-out release,$(CONFIG)),/$(CONFIG))
PREFIX ?= /usr/local
DESTDIR ?=
OBJ := $(BUILD)/obj

ifeq ($(origin CC),default)
CC := gcc
endif
# The outermost make runs one job for each processor, unless -j says otherwise.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += --no-print-directory
# Goals that install packages and call make again come one after the other.
ifneq ($(filter demo run test test-big test-observe test-debian test-arm64 deb test-deb asan coverage asan-coverage covered attack fuzz lint bench bench-policy soak,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

# ---- flags ----------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wcast-qual -Wformat=2 -Wvla
# Warnings are errors for who changes the code (make lint builds with WERROR=1), never for who only
# builds it with a newer compiler or library than we had.
WERROR ?=
DIALECT := -std=c17 -I. -D_GNU_SOURCE -DMIRRORGATE_VERSION='"$(VERSION)"'

# $(call if_supported,FLAG...): the flags, when this compiler takes them for this machine.
if_supported = $(shell $(CC) -Werror $(1) -S -x c /dev/null -o /dev/null 2>/dev/null && echo '$(1)')

# libev's watchers and our sockaddr casts alias; strict aliasing buys nothing measurable here.
COMMON_CFLAGS := $(DIALECT) $(WARNINGS) $(if $(filter 1,$(WERROR)),-Werror) -g -fPIE -fno-strict-aliasing
COMMON_LDFLAGS := -pie -Wl,--as-needed

CFLAGS_release = -O2 -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 \
	-fno-delete-null-pointer-checks $(call if_supported,-fstack-clash-protection) \
	$(call if_supported,-fcf-protection=full) $(call if_supported,-mbranch-protection=standard)
LDFLAGS_release := -Wl,-z,relro,-z,now,-z,noexecstack

SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all
CFLAGS_asan := -O1 -fno-omit-frame-pointer $(SANITIZERS)
LDFLAGS_asan := $(SANITIZERS)

CFLAGS_coverage := -O0 --coverage -fprofile-update=atomic -DMIRRORGATE_COVERAGE
LDFLAGS_coverage := --coverage

# Both at once: one run of the suite shows what the sanitizers find and what is covered.
CFLAGS_asan-coverage := $(CFLAGS_asan) --coverage -fprofile-update=atomic -DMIRRORGATE_COVERAGE
LDFLAGS_asan-coverage := $(SANITIZERS) --coverage

# Needs clang, which takes assert(!"text") for a mistake; what else it warns of is shown, but does
# not keep the targets from running. fuzzer-no-link: libFuzzer itself is linked into the fuzz
# programs only.
CFLAGS_fuzz := -O1 -fno-omit-frame-pointer -Wno-string-conversion -Wno-error \
	-fsanitize=fuzzer-no-link $(SANITIZERS)
LDFLAGS_fuzz := $(SANITIZERS)

# Assigned at once, so that the compiler is asked only once; what the caller's CFLAGS says comes last.
BUILD_CFLAGS := $(COMMON_CFLAGS) $(CFLAGS_$(CONFIG)) $(CPPFLAGS) $(CFLAGS)
BUILD_LDFLAGS := $(COMMON_LDFLAGS) $(LDFLAGS_$(CONFIG)) $(LDFLAGS)

ifeq ($(filter release asan coverage asan-coverage fuzz,$(CONFIG)),)
$(error CONFIG is release, asan, coverage, asan-coverage or fuzz, not "$(CONFIG)")
endif

# ---- sources and programs -------------------------------------------------------------------

GATEWAY_SOURCES := $(wildcard gateway/*/*.c)
POLICY_SOURCES := $(wildcard policy/*.c)
COMMON_SOURCES := $(wildcard base/*.c catalogue/*.c crypto/*.c)
STUB_SOURCES := $(wildcard upstream-stub/*.c)
CLIENT_SOURCES := $(wildcard client/*/*.c)
UNIT_TESTS := $(wildcard tests/unit/test_*.c)
UNIT_HELPERS := $(filter-out $(UNIT_TESTS),$(wildcard tests/unit/*.c))
FUZZ_TARGETS := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_HELPERS := $(filter-out $(FUZZ_TARGETS),$(wildcard tests/fuzz/*.c))
BENCH_SOURCES := $(wildcard tests/bench/*.c)
BENCH_HELPERS := $(wildcard tests/bench/bench_*.c)
HEADERS := $(wildcard gateway/*/*.h policy/*.h base/*.h catalogue/*.h crypto/*.h upstream-stub/*.h \
	client/*/*.h tests/unit/*.h tests/fuzz/*.h tests/bench/*.h)
SOURCES := $(GATEWAY_SOURCES) $(POLICY_SOURCES) $(COMMON_SOURCES) $(STUB_SOURCES) $(CLIENT_SOURCES) \
	$(UNIT_TESTS) $(UNIT_HELPERS) $(FUZZ_TARGETS) $(FUZZ_HELPERS) $(BENCH_SOURCES)

objects = $(patsubst %.c,$(OBJ)/%.o,$(1))
GATEWAY_LIB := $(BUILD)/libgateway.a
POLICY_LIB := $(BUILD)/libpolicy.a
COMMON_LIB := $(BUILD)/libcommon.a
CLIENT_LIB := $(BUILD)/libclient.a
PROGRAMS := $(addprefix $(BUILD)/,mirrorgate mirrorgate-policy upstream-stub spot)
UNIT_PROGRAMS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_TESTS))
FUZZ_PROGRAMS := $(patsubst tests/fuzz/%.c,$(BUILD)/%,$(FUZZ_TARGETS))
BENCH_PROGRAMS := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(filter-out $(BENCH_HELPERS),$(BENCH_SOURCES)))
# Those that include a header of client/ are linked with it, and without the fixtures of the gate:
# both have a config.c.
OF_CLIENT := $(shell grep -l '^\#include "client/' $(UNIT_TESTS) $(FUZZ_TARGETS))
CLIENT_UNIT_PROGRAMS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(filter tests/unit/%,$(OF_CLIENT)))
CLIENT_FUZZ_PROGRAMS := $(patsubst tests/fuzz/%.c,$(BUILD)/%,$(filter tests/fuzz/%,$(OF_CLIENT)))

POLICY_LIBS := -lcyaml -lyaml -lcdb -lutf8proc
GATEWAY_LIBS := $(POLICY_LIBS) -lssl -lcrypto -lev -lhttp_parser -ljansson -lseccomp -lm
STUB_LIBS := -lev -lhttp_parser -ljansson -lcrypto -lm
CLIENT_LIBS := $(POLICY_LIBS) -lcurl -lssl -lcrypto -ljansson

.PHONY: all
all: $(PROGRAMS) ## build the programs into build/ (the default)

$(BUILD)/mirrorgate: $(OBJ)/gateway/process/main.o $(GATEWAY_LIB) $(POLICY_LIB) $(COMMON_LIB)
$(BUILD)/mirrorgate: LDLIBS = $(GATEWAY_LIBS)
$(BUILD)/mirrorgate-policy: $(OBJ)/policy/main.o $(POLICY_LIB) $(COMMON_LIB)
$(BUILD)/mirrorgate-policy: LDLIBS = $(POLICY_LIBS)
$(BUILD)/upstream-stub: $(call objects,$(STUB_SOURCES))
$(BUILD)/upstream-stub: LDLIBS = $(STUB_LIBS)
$(BUILD)/spot: $(OBJ)/client/command/main.o $(CLIENT_LIB) $(COMMON_LIB)
$(BUILD)/spot: LDLIBS = $(CLIENT_LIBS)
$(filter-out $(CLIENT_UNIT_PROGRAMS),$(UNIT_PROGRAMS)): $(BUILD)/unit/%: $(OBJ)/tests/unit/%.o \
		$(call objects,$(UNIT_HELPERS)) $(GATEWAY_LIB) $(POLICY_LIB) $(COMMON_LIB)
	$(link)
$(BUILD)/unit/%: LDLIBS = -lcmocka $(GATEWAY_LIBS)
$(CLIENT_UNIT_PROGRAMS): $(BUILD)/unit/%: $(OBJ)/tests/unit/%.o $(CLIENT_LIB) $(COMMON_LIB)
	$(link)
$(CLIENT_UNIT_PROGRAMS): LDLIBS = -lcmocka $(CLIENT_LIBS)
# policy_questions.c says why mmap() is wrapped.
$(filter-out $(CLIENT_FUZZ_PROGRAMS),$(FUZZ_PROGRAMS)): $(BUILD)/%: $(OBJ)/tests/fuzz/%.o \
		$(call objects,$(FUZZ_HELPERS)) $(GATEWAY_LIB) $(POLICY_LIB) $(COMMON_LIB)
	$(link)
$(FUZZ_PROGRAMS): LDLIBS = -fsanitize=fuzzer -Wl,--wrap=mmap,--wrap=munmap $(GATEWAY_LIBS)
# The gate's library is for those that ask the gate, too: would it take what spot sends?
$(CLIENT_FUZZ_PROGRAMS): $(BUILD)/%: $(OBJ)/tests/fuzz/%.o $(OBJ)/tests/fuzz/fuzz.o \
		$(CLIENT_LIB) $(GATEWAY_LIB) $(COMMON_LIB)
	$(link)
$(CLIENT_FUZZ_PROGRAMS): LDLIBS = -fsanitize=fuzzer $(CLIENT_LIBS)
$(BENCH_PROGRAMS): $(BUILD)/bench/%: $(OBJ)/tests/bench/%.o $(call objects,$(BENCH_HELPERS)) \
		$(POLICY_LIB) $(COMMON_LIB)
	$(link)
$(BENCH_PROGRAMS): LDLIBS = $(POLICY_LIBS) -lssl -lcrypto -lpthread
$(PROGRAMS):
	$(link)

# Everything but main() is in a library, so that each unit test links whatever it names.
$(GATEWAY_LIB): $(call objects,$(filter-out gateway/process/main.c,$(GATEWAY_SOURCES)))
$(POLICY_LIB): $(call objects,$(filter-out policy/main.c,$(POLICY_SOURCES)))
$(COMMON_LIB): $(call objects,$(COMMON_SOURCES))
$(CLIENT_LIB): $(call objects,$(filter-out client/command/main.c,$(CLIENT_SOURCES)))
$(GATEWAY_LIB) $(POLICY_LIB) $(COMMON_LIB) $(CLIENT_LIB): $(OBJ)/sources
	@echo "AR $@"
	@rm -f $@
	@$(AR) rcs $@ $(filter %.o,$^)

define link
@echo "LD $@"
@mkdir -p $(@D)
@$(CC) $(BUILD_CFLAGS) $(BUILD_LDFLAGS) -o $@ $(filter %.o %.a,$^) $(LDLIBS)
endef

$(OBJ)/%.o: %.c $(OBJ)/flags
	@echo "CC $<"
	@mkdir -p $(@D)
	@$(CC) $(BUILD_CFLAGS) -MMD -MP -c -o $@ $<

.PHONY: objects
objects: $(call objects,$(SOURCES))

-include $(patsubst %.o,%.d,$(call objects,$(SOURCES)))

# Stamps that change only when their text does: the flags rebuild every object, the list of
# sources makes the libraries forget a file that was removed.
.PHONY: FORCE
FORCE:
define stamp
@mkdir -p $(@D)
@echo $(call quote,$(1)) | cmp -s - $@ || echo $(call quote,$(1)) >$@
endef
quote = '$(subst ','\'',$(1))'
$(OBJ)/flags: FORCE
	$(call stamp,$(CC) $(BUILD_CFLAGS) $(BUILD_LDFLAGS))
$(OBJ)/sources: FORCE
	$(call stamp,$(GATEWAY_SOURCES) $(POLICY_SOURCES) $(COMMON_SOURCES) $(CLIENT_SOURCES))

# ---- running and testing --------------------------------------------------------------------

.PHONY: demo run test test-big asan coverage asan-coverage covered coverage-report check unit unit-programs test-observe test-debian test-arm64
demo: ## install what is missing, build, and show the whole system at work
	@packaging/install-deps build demo
	@$(MAKE) all
	@MIRRORGATE_BUILD=$(abspath $(BUILD)) tests/demo/demo

run: ## the same, kept running, with curl commands to paste
	@packaging/install-deps build demo
	@$(MAKE) all
	@MIRRORGATE_BUILD=$(abspath $(BUILD)) tests/demo/demo --keep-running

test: ## install what is missing, build, run unit and end-to-end tests
	@packaging/install-deps build demo test
	@$(MAKE) check

# About five minutes on two processors, and 20 GB of room for sparse files and their copies.
test-big: ## files over 4 GiB, whole, and as many files and versions as there may be; no other run does
	@packaging/install-deps build demo test
	@$(MAKE) all
	@tests/run --build $(BUILD) --e2e-only tests/e2e/big_files.py

asan: ## the same suite on a build with AddressSanitizer and UBSan
	@packaging/install-deps build demo test
	@$(MAKE) CONFIG=asan BUILD=$(BUILD)/asan check

# Workers that become another user write their counts too: so the files are there before, and
# anybody's to write; an empty one is as good as none. Some test processes end by a signal and leave
# none; gcov's complaints about that would stand among the gate's own messages.
COVERAGE_MIN ?= 90
COVERED := gateway policy client base catalogue crypto
coverage: ## the same suite, then the lines it reached; fails below COVERAGE_MIN=90 % of any folder's
	@$(MAKE) CONFIG=coverage BUILD=$(BUILD)/coverage covered

asan-coverage: ## both in one run, for who has no time for two
	@$(MAKE) CONFIG=asan-coverage BUILD=$(BUILD)/asan-coverage covered

covered:
	@packaging/install-deps build demo test coverage
	@$(MAKE) CONFIG=$(CONFIG) BUILD=$(BUILD) unit-programs
	@find $(BUILD)/obj -name '*.gcno' | sed 's/gcno$$/gcda/' | while read -r counts; do \
		: >"$$counts" && chmod 666 "$$counts"; done
	@GCOV_ERROR_FILE=/dev/null $(MAKE) CONFIG=$(CONFIG) BUILD=$(BUILD) check
	@find $(BUILD)/obj -name '*.gcda' -empty -delete
	@$(MAKE) BUILD=$(BUILD) coverage-report

coverage-report:
	@mkdir -p $(BUILD)/report
	@gcovr --root . $(patsubst %,--filter %/,$(COVERED)) --exclude-unreachable-branches \
		--txt - --html-details $(BUILD)/report/index.html --json-summary $(BUILD)/report/summary.json \
		$(BUILD)/obj
	@tests/coverage --min $(COVERAGE_MIN) $(BUILD)/report/summary.json $(COVERED)

# TESTS names what pytest runs, e.g. make check TESTS=tests/e2e/test_gate.py
check: all $(UNIT_PROGRAMS) $(BENCH_PROGRAMS) ## build and run the tests; installs nothing
	@tests/run --build $(BUILD) $(TESTS)

unit-programs: all $(UNIT_PROGRAMS)

unit: unit-programs ## build and run the unit tests alone; installs nothing
	@tests/run --build $(BUILD) --unit-only

test-observe: ## mirrorgate beside a real Prometheus, HAProxy and nginx: alert rules, dashboard, checks, a fleet; three minutes
	@packaging/install-deps build demo test observe
	@$(MAKE) all
	@tests/run --build $(BUILD) --e2e-only tests/observe

# QUICK=1 is what CI runs.
RELEASE ?= trixie
test-debian: ## make demo and make test on a fresh Debian, RELEASE=trixie, as root and as a user
	@packaging/install-deps debian
	@tests/debian/run $(if $(QUICK),--quick) $(RELEASE)

test-arm64: ## the same for arm64: a cross build, and the unit tests under qemu-user
	@packaging/install-deps debian
	@tests/debian/run --arm64 $(RELEASE)

# ---- measuring ------------------------------------------------------------------------------

# QUICK=1 takes about two minutes; LIMITS=1 adds what openssl does on its own; CLIENT=1 measures spot
# instead, which needs 24 GB of disk below /tmp unless it is quick; GROWTH=1 measures how a request's cost grows
# with connections, customers, workers and files.
.PHONY: bench
bench: ## CPU time of requests, handshakes and downloads beside nginx, HAProxy and Apache, in build/bench/
	@packaging/install-deps build demo test bench
	@$(MAKE) all $(BENCH_PROGRAMS)
	@MIRRORGATE_BUILD=$(abspath $(BUILD)) tests/bench/$(if $(CLIENT),client,$(if $(GROWTH),growth,gates)) \
		--out $(BUILD)/bench $(if $(QUICK),--quick) $(if $(LIMITS),--limits)

# SIZES names numbers of customers, e.g. make bench-policy SIZES='1000 100000'
SIZES ?= 1000 100000 1000000
.PHONY: bench-policy
bench-policy: ## policies of up to a million customers: load time, memory, look-ups, p99 while reloading
	@packaging/install-deps build demo test
	@$(MAKE) all $(BENCH_PROGRAMS)
	@MIRRORGATE_BUILD=$(abspath $(BUILD)) tests/bench/policy --out $(BUILD)/bench-policy.md $(SIZES)

.PHONY: soak
SECONDS ?= 300
soak: ## changes without end under load, SECONDS=300 of them, or with FAULTS=1 faults of all kinds
	@packaging/install-deps build demo test
	@$(MAKE) all $(BENCH_PROGRAMS)
	@MIRRORGATE_BUILD=$(abspath $(BUILD)) tests/soak/run --seconds $(SECONDS) $(if $(FAULTS),--faults)

# ---- comparing ------------------------------------------------------------------------------

.PHONY: attack
# ATTACK names gateways and groups of cases, e.g. make attack ATTACK='--only host mirrorgate nginx'
attack: ## known attacks on mirrorgate, nginx, HAProxy and Apache, compared in build/attack.md
	@packaging/install-deps build demo test attack
	@$(MAKE) all
	@MIRRORGATE_BUILD=$(abspath $(BUILD)) tests/attack/run $(ATTACK)

# ---- fuzzing --------------------------------------------------------------------------------

FUZZ_SECONDS ?= 60
.PHONY: fuzz fuzz-run
fuzz: ## hostile inputs for every parser, FUZZ_SECONDS=60 each; fails on any finding
	@packaging/install-deps build demo fuzz
	@$(MAKE) CONFIG=fuzz BUILD=$(BUILD)/fuzz CC=clang fuzz-run

# FUZZ names some targets, e.g. make fuzz FUZZ='path subject'
fuzz-run: $(FUZZ_PROGRAMS) $(BUILD)/mirrorgate-policy
	@tests/fuzz/make_seeds --build $(BUILD)
	@tests/fuzz/run --build $(BUILD) --seconds $(FUZZ_SECONDS) $(FUZZ)

# ---- lint -----------------------------------------------------------------------------------

.PHONY: lint format
lint: ## style, static analysis, include direction, code map, scripts, manuals
	@packaging/install-deps build test lint
	@$(MAKE) --keep-going --output-sync=target lint-all

format: ## bring the C files into the repository's format
	clang-format -i $$(tests/lint/files c)

LINTS := warnings format cppcheck includes names code-map shell python manuals
TIDIED := $(patsubst %.c,$(BUILD)/lint/%.tidy,$(SOURCES))
.PHONY: lint-all $(addprefix lint-,$(LINTS) tidy)
lint-all: $(addprefix lint-,$(LINTS) tidy)
	@echo "lint: all clean"

# Every file once more, by both compilers, with warnings as errors.
lint-warnings:
	@$(MAKE) CC=gcc WERROR=1 BUILD=$(BUILD)/lint/gcc objects
	@$(MAKE) CC=clang WERROR=1 BUILD=$(BUILD)/lint/clang objects

lint-format:
	@clang-format --dry-run -Werror $$(tests/lint/files c)

# A file is analysed again when it, any header or the settings changed.
lint-tidy: $(TIDIED)
$(BUILD)/lint/%.tidy: %.c .clang-tidy $(HEADERS)
	@echo "TIDY $<"
	@mkdir -p $(@D)
	@clang-tidy --quiet $< -- $(DIALECT) 2>$@.stderr || { cat $@.stderr; exit 1; }
	@mv $@.stderr $@

# cppcheck's posix model takes the -1 of an anonymous mmap() for an invalid argument.
lint-cppcheck:
	@cppcheck --quiet -j2 --std=c11 --library=posix --enable=warning,performance,portability \
		--inline-suppr --suppress=missingIncludeSystem --suppress=invalidFunctionArg \
		--error-exitcode=1 \
		-I. -D_GNU_SOURCE -DMIRRORGATE_VERSION='"$(VERSION)"' $(SOURCES)

lint-includes:
	@tests/lint/include_direction

lint-names:
	@tests/lint/exported_names

lint-code-map:
	@tests/lint/code_map

lint-shell:
	@tests/lint/files shell | xargs -r shellcheck

lint-python:
	@tests/lint/files python | xargs -r /usr/bin/python3 -m pyflakes

lint-manuals:
	@tests/lint/files manual | xargs -r mandoc -T lint -W warning

# ---- installing -----------------------------------------------------------------------------

MANUALS := $(wildcard $(foreach s,1 5 8,gateway/*.$(s) policy/*.$(s) upstream-stub/*.$(s) certs/*.$(s) \
	client/*.$(s)))

.PHONY: install clean help
install: all ## install into DESTDIR and PREFIX (/usr/local)
	install -D -m 755 $(BUILD)/mirrorgate $(DESTDIR)$(PREFIX)/sbin/mirrorgate
	install -D -m 755 $(BUILD)/mirrorgate-policy $(DESTDIR)$(PREFIX)/bin/mirrorgate-policy
	install -D -m 755 $(BUILD)/upstream-stub $(DESTDIR)$(PREFIX)/bin/upstream-stub
	install -D -m 755 $(BUILD)/spot $(DESTDIR)$(PREFIX)/bin/spot
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/zsh/vendor-completions
	install -m 644 packaging/completion/spot.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/spot
	install -m 644 packaging/completion/mirrorgate.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/mirrorgate
	for name in mirrorgate-policy mirrorgate-pki; do \
		ln -sf mirrorgate $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$name; \
	done
	install -m 644 packaging/completion/_spot packaging/completion/_mirrorgate \
		$(DESTDIR)$(PREFIX)/share/zsh/vendor-completions
	install -D -m 755 certs/pki $(DESTDIR)$(PREFIX)/share/mirrorgate/certs/pki
	install -m 644 $(wildcard certs/*.py) $(DESTDIR)$(PREFIX)/share/mirrorgate/certs
	ln -sf ../share/mirrorgate/certs/pki $(DESTDIR)$(PREFIX)/bin/mirrorgate-pki
	@set -e; for page in $(MANUALS); do \
		install -v -D -m 644 $$page \
			$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; \
	done

# DEB_VERSION is another version than that of packaging/debian/changelog.
.PHONY: deb test-deb
deb: ## the Debian packages, checked by lintian, in build/deb
	@packaging/install-deps build deb
	@packaging/deb $(BUILD)/deb $(DEB_VERSION)

test-deb: ## the packages in a clean root: installed, at work, upgraded, purged
	@packaging/install-deps build deb debian
	@tests/debian/packages $(BUILD)/test-deb

clean: ## remove build/
	rm -rf $(BUILD)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile
