# Postroad: make help
BUILD ?= build
CC = gcc
PKGS := openssl ldns libgsasl libconfuse jansson libcrypt libpcre2-8 sqlite3 zlib libidn2
# Libraries of back ends of accounts, used where they are (reference/auth/optional.h). Asked for late:
# after the packages.
OPTIONAL = $(foreach p,pam libmariadb ldap libargon2 libcurl,$(shell pkg-config --exists $(p) 2>/dev/null && echo $(p)))
SHELL := /bin/bash
.DEFAULT_GOAL := all
PREFIX ?= /usr/local
MAKEFLAGS += --no-print-directory
# All cores, unless a -j came from the command line or from the make above.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 1)
endif

# SAN= release; SAN=address AddressSanitizer+UBSan; SAN=thread; SAN=fuzz (clang, for the fuzzers)
SAN ?=
flags_      := -O2 -D_FORTIFY_SOURCE=2
flags_address := -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
flags_thread  := -O1 -fsanitize=thread
flags_fuzz    := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
SANFLAGS := $(flags_$(SAN))

CFLAGS ?= -g
WERROR ?=
STD := -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wvla $(if $(WERROR),-Werror) -fstack-protector-strong -I. -MMD -MP
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS) $(OPTIONAL) 2>/dev/null)
PKG_LIBS = $(shell pkg-config --libs $(PKGS) $(OPTIONAL) 2>/dev/null)
LDLIBS = $(PKG_LIBS) -lunistring -lcrypt -pthread -lm

# ---- what is built from what -----------------------------------------------------------------
base_src := $(wildcard base/*.c)
ref_src  := $(wildcard reference/*.c reference/*/*.c)
dns_src  := $(wildcard dns-sim/*.c)
lab_src  := $(wildcard conformance/lab/*.c)
con_src  := $(wildcard conformance/runner/*.c)

objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
notmain = $(filter-out %/main.c,$(1))

PROGRAMS := postroad dns-sim lab conform
all: $(addprefix $(BUILD)/bin/,$(PROGRAMS) demo-page message-dump)

# Packages come first, and only when something is to be compiled.
deps-build:
	@ci/deps build
deps:
	@ci/deps build lab demo test

$(BUILD)/obj/%.o: %.c Makefile | deps-build
	@mkdir -p $(@D); echo "  $(CC) $@"
	@$(CC) $(STD) $(SANFLAGS) $(CFLAGS) $(PKG_CFLAGS) -c -o $@ $<

# A library of everything in a part but its main(), for the program, the unit tests, the fuzzers.
$(BUILD)/lib/base.a: $(call objs,$(base_src))
$(BUILD)/lib/reference.a: $(call objs,$(call notmain,$(ref_src)))
$(BUILD)/lib/dns-sim.a: $(call objs,$(call notmain,$(dns_src)))
$(BUILD)/lib/lab.a: $(call objs,$(call notmain,$(lab_src)))
$(BUILD)/lib/conform.a: $(call objs,$(call notmain,$(con_src)))
$(BUILD)/lib/%.a:
	@mkdir -p $(@D)
	@rm -f $@; ar rcs $@ $^

link = @mkdir -p $(@D); echo "  link $@"; $(CC) $(SANFLAGS) $(LINKFLAGS) -o $@ $^ $(LDLIBS)
$(BUILD)/bin/postroad: $(BUILD)/obj/reference/main.o $(BUILD)/lib/reference.a $(BUILD)/lib/base.a
	$(link)
$(BUILD)/bin/dns-sim: $(BUILD)/obj/dns-sim/main.o $(BUILD)/lib/dns-sim.a $(BUILD)/lib/base.a
	$(link)
$(BUILD)/bin/lab: $(BUILD)/obj/conformance/lab/main.o $(BUILD)/lib/lab.a $(BUILD)/lib/base.a
	$(link)
$(BUILD)/bin/conform: $(BUILD)/obj/conformance/runner/main.o $(BUILD)/lib/conform.a $(BUILD)/lib/lab.a $(BUILD)/lib/base.a
	$(link)

# ---- unit tests: tests/unit/<area>/*.c make the Criterion program <area> ----------------------
# An area is linked with the library of its name, or with reference.a, and with base.a.
AREAS := $(notdir $(patsubst %/,%,$(wildcard tests/unit/*/)))
part_of = $(if $(filter base,$(1)),,$(if $(filter dns-sim lab conform,$(1)),$(BUILD)/lib/$(1).a$(if $(filter conform,$(1)), $(BUILD)/lib/lab.a),$(BUILD)/lib/reference.a))
define unit_rule
$(BUILD)/unit/$(1): $(call objs,$(wildcard tests/unit/$(1)/*.c)) $(call part_of,$(1)) $(BUILD)/lib/base.a
	@mkdir -p $$(@D); echo "  link $$@"; $$(CC) $$(SANFLAGS) -o $$@ $$^ $$(LDLIBS) -lcriterion
endef
$(foreach a,$(AREAS),$(eval $(call unit_rule,$(a))))
$(BUILD)/unit/lab: | $(BUILD)/bin/lab $(BUILD)/bin/dns-sim
unit-programs: $(addprefix $(BUILD)/unit/,$(AREAS))

# ---- fuzzers: tests/fuzz/<name>.c, seeds in tests/fuzz/seeds/<name>/ --------------------------
FUZZERS := $(basename $(notdir $(wildcard tests/fuzz/*.c)))
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/lib/reference.a $(BUILD)/lib/dns-sim.a $(BUILD)/lib/conform.a $(BUILD)/lib/lab.a $(BUILD)/lib/base.a
	@mkdir -p $(@D); echo "  link $@"; $(CC) $(SANFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)
fuzz-programs: $(addprefix $(BUILD)/fuzz/,$(FUZZERS))

# ---- the main job, the tests, the measures -----------------------------------------------------
# Debian's interpreter, for which python3-pytest is installed. A file of drives stays in one process: what its tests
# share (a lab, a database server) is started once.
PYTHON ?= /usr/bin/python3
PYTEST = BUILD=$(1) $(PYTHON) -m pytest -q -n 2 --dist loadfile -o cache_dir=$(abspath $(1))/pytest-cache --durations=8 \
	$(PYTEST_ARGS)
SECONDS_EACH ?= 20

deps-%:
	@ci/deps build $(subst -, ,$*)

demo: deps-lab-demo$(if $(DEFENCE),-defence)
	@$(MAKE) all
	@MSG="$(MSG)" KEEP="$(KEEP)" BUILD=$(BUILD) conformance/demo/$(if $(DEFENCE),evening-run,$(if $(HOPS),hops-run,run))

# Release, sanitizers with gcc, fuzzers with clang; warnings are errors in all three.
test: deps-lab-demo-test
	@echo "== build"
	@$(MAKE) WERROR=1 all
	@$(MAKE) WERROR=1 SAN=address BUILD=build/san all unit-programs
	@$(MAKE) WERROR=1 SAN=fuzz CC=clang BUILD=build/clang fuzz-programs
	@echo "== lint of the scenarios and requirements"
	@$(BUILD)/bin/conform lint
	@echo "== unit tests (AddressSanitizer, UBSan)"
	@tests/unit/run build/san/unit
	@echo "== fuzzers: every seed, and the same inputs in every run (make fuzz looks for new ones)"
	@tests/fuzz/run build/clang/fuzz
	@echo "== drives: the programs on real ports and in labs"
	@$(call PYTEST,build/san) tests/drive || { echo "== once more, what failed (a busy machine is no fault)"; \
		$(call PYTEST,build/san) --last-failed tests/drive; }

# Races between the threads of smtpd and of the queue, under a bounded load; some three minutes. ThreadSanitizer
# wants the addresses that setarch gives it.
tsan: deps-lab-test
	@$(MAKE) WERROR=1 SAN=thread BUILD=build/tsan all
	@BUILD=build/tsan setarch -R /usr/bin/python3 -m pytest -q -p no:cacheprovider tests/tsan \
		tests/drive/test_policy.py tests/drive/test_policy_dns.py tests/drive/test_queue.py tests/drive/test_queue_ctl.py
unit: deps-test
	@$(MAKE) SAN=address BUILD=build/san unit-programs
	@tests/unit/run build/san/unit
drive: deps-lab-demo-test
	@$(MAKE) all
	@$(call PYTEST,build) tests/drive
fuzz: deps-test
	@$(MAKE) WERROR=1 SAN=fuzz CC=clang BUILD=build/clang fuzz-programs
	@tests/fuzz/run build/clang/fuzz $(SECONDS_EACH)
bench: deps-lab-bench
	@$(MAKE) all $(BUILD)/bin/usage
	@BUILD=$(BUILD) tests/bench/suite
	@BUILD=$(BUILD) tests/bench/run

bench-defence: deps-lab-bench
	@$(MAKE) all $(BUILD)/bin/callers
	@BUILD=$(BUILD) tests/bench/defence

bench-filters: deps-lab-bench-test
	@$(MAKE) all
	@BUILD=$(BUILD) tests/bench/filters

bench-imap: deps-lab-bench
	@$(MAKE) all $(BUILD)/bin/usage $(BUILD)/bin/imap-client
	@BUILD=$(BUILD) tests/bench/imap

# 100,000 messages: start-up, scan, list, drain.
bench-queue: deps-lab-test
	@$(MAKE) all
	@BUILD=$(BUILD) tests/bench/queue

# The mail programs that read from our IMAP server, Thunderbird too, whose package is large.
clients: deps-lab-test-clients
	@$(MAKE) all
	@$(call PYTEST,build) tests/drive/test_imap_clients.py

# mbsync keeps 10,000 messages alike on two sides: once, and once more for nothing. A minute.
sync: deps-lab-test
	@$(MAKE) all
	@SYNC_MESSAGES=10000 $(call PYTEST,build) tests/drive/test_imap_clients.py -k mbsync_of_many

# Log-ins: by mechanism beside Dovecot, by back end, beside a slow directory.
bench-login: deps-lab-test-bench
	@$(MAKE) all
	@BUILD=$(BUILD) tests/bench/login

# The scenarios on a server: TARGET=reference, postfix, dovecot, postfix-dovecot, postfix-cyrus, exim, cyrus, opensmtpd; ONLY="mx rfc5321/4.5"
# chooses; ARGS adds options of conform(1).
TARGET ?= reference
conformance: deps-lab-conformance
	@$(MAKE) all
	@ci/target $(TARGET)
	@$(BUILD)/bin/conform run --target $(TARGET) --report html:$(BUILD)/conformance-$(TARGET).html \
		--report json:$(BUILD)/conformance-$(TARGET).json $(ARGS) $(ONLY)

# Do the scenarios notice a target that does something else? SELFTEST="--level MUST", about ten minutes.
SELFTEST ?= --level MUST
selftest: deps-lab
	@$(MAKE) all
	@$(BUILD)/bin/conform selftest $(SELFTEST)
# And do they find faults planted in the reference? Each takes as long as a run: an hour in all.
mutants: deps-lab
	@$(MAKE) all
	@tests/mutants/run $(MUTANTS)

# SPEC.md is made from the requirements and the scenarios.
spec: all
	@$(BUILD)/bin/conform coverage --spec --out SPEC.md

$(BUILD)/bin/usage $(BUILD)/bin/callers $(BUILD)/bin/imap-client: $(BUILD)/bin/%: $(BUILD)/obj/tests/bench/%.o $(BUILD)/lib/base.a
	$(link)
$(BUILD)/bin/message-dump: $(BUILD)/obj/tests/drive/message_dump.o $(BUILD)/lib/reference.a $(BUILD)/lib/base.a
	$(link)
$(BUILD)/bin/demo-page: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard conformance/demo/*.c)) $(BUILD)/lib/base.a
	$(link)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/doc/postroad
	install $(addprefix $(BUILD)/bin/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/bin
	install -m 644 README.md docs/*.md $(DESTDIR)$(PREFIX)/share/doc/postroad

help:
	@echo "make demo          the main job: mail from jerry to tom, with build/demo.html at the end"
	@echo "                   DEFENCE=1: one evening's visitors, and which defence stops whom"
	@echo "                   HOPS=1: three hops, one without TLS, and where a letter can be read"
	@echo "                   MSG=my.eml sends your message, KEEP=1 leaves the world up"
	@echo "make test          every test: unit, fuzz seeds, drives"
	@echo "make all           the programs, in build/bin"
	@echo "make deps          installs what is missing through apt, or says the command"
	@echo "make unit          the unit tests alone"
	@echo "make drive         the pytest drives alone; PYTEST_ARGS='-k pop3' chooses"
	@echo "make fuzz          the fuzzers, SECONDS_EACH=20"
	@echo "make conformance   the scenarios on a server, TARGET=postfix; reports in build/"
	@echo "make spec          writes SPEC.md anew: every clause and the scenarios that prove it"
	@echo "make bench         messages a second, CPU and memory beside Postfix, Exim and OpenSMTPD"
	@echo "make bench-queue   a queue of 100,000 messages: start-up, scan, list, drain"
	@echo "make tsan          ThreadSanitizer on the shared state of policy and queue"
	@echo "make bench-defence connections a second with client names and five DNS lists, beside Postfix"
	@echo "make bench-filters messages a second through opendkim and amavisd-new, beside Postfix"
	@echo "make bench-imap    IMAP and POP3 beside Dovecot on the same mailbox"
	@echo "make clients       mail programs on our IMAP server, Thunderbird too"
	@echo "make sync          mbsync with 10,000 messages, twice"
	@echo "make install       PREFIX=/usr/local, DESTDIR="
	@echo "make clean         removes build/"
	@echo "Builds: CC=clang, SAN=address|thread, BUILD=folder"

clean:
	rm -rf build

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
.PHONY: tsan bench-login help all deps deps-build unit-programs fuzz-programs demo test unit drive fuzz bench bench-queue bench-defence bench-filters bench-imap conformance spec install clean sync clients
.SECONDARY:
