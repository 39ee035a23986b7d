# make             build the fused `moat` and its links into build/bin
# make separate    build one small static executable a program into build/separate
# make deps        install what a build needs and is missing
# make check       every test; installs the test tools that are missing
# make run         a whole gate on loopback with a demo domain, in the foreground
# make install     copy programs, pages and services under $(DESTDIR)$(PREFIX)
# make uninstall   remove them again
# make bench       measure side by side with Debian's Postfix
# make fuzz        each fuzzer for a minute, with libFuzzer (FUZZ_TIME=60)
# make lint        clang-format, clang-tidy, mandoc and shellcheck
# make coverage    a table of the lines that the tests ran
#
# "make users" makes the users of a gate, as root, before its first start.
# "make install SEPARATE=yes" installs one executable a program.
# LINK=dynamic links the system's libraries as shared objects, BUILD=asan and
# BUILD=cov build with sanitizers or for coverage, each in a tree of its own.

BUILD  ?= release
LINK   ?= static
B      ?= build
PREFIX ?= /usr/local

# Where "make install" puts things, and whom the services run as.
BINDIR   ?= $(PREFIX)/bin
MANDIR   ?= $(PREFIX)/share/man
UNITDIR  ?= $(PREFIX)/lib/systemd/system
ETCDIR   ?= /etc/moat
STATEDIR ?= /var/lib/moat
SPOOLDIR ?= /var/spool/moat
RUNDIR   ?= /run/moat
VMAILDIR ?= /var/vmail
LOGDIR   ?= /var/log/moat
MOAT     ?= moat
MOATSCAN ?= moatscan
MOATQ    ?= moatq
MOATREMOTE ?= moatremote
MOATRELAY  ?= moatrelay
MOATPW   ?= moatpw
MOATTLS  ?= moattls
MOATMAIL ?= moatmail
MOATLOG  ?= moatlog
MOATSTATE ?= moatstate
MOATRUN  ?= moatrun

TIDY   ?= clang-tidy-19
FORMAT ?= clang-format-19
FUZZ_TIME ?= 60

kind     := $(BUILD)$(if $(filter dynamic,$(LINK)),-dynamic)
out      := $(B)/$(kind)
bin      := $(if $(filter release,$(kind)),$(B)/bin,$(out)/bin)
sep      := $(if $(filter release,$(kind)),$(B)/separate,$(out)/separate)
names    := $(patsubst cmd/%/main.cc,%,$(sort $(wildcard cmd/*/main.cc)))
manuals  := $(wildcard man/*.[1-8])
objects   = $(patsubst %.cc,$(out)/%.o,$(wildcard $(1)))
tests    := $(patsubst tests/unit/%.cc,$(out)/unit/%,$(wildcard tests/unit/*_test.cc))
fuzzers  := $(patsubst tests/fuzz/%.cc,$(out)/fuzz/%,$(wildcard tests/fuzz/*_fuzz.cc))
testtools := $(patsubst tests/tools/%.cc,$(out)/tools/%,$(wildcard tests/tools/*.cc))

# Fused and separate programs link statically: an exec costs half as much. For
# coverage the dialect is gnu++20: only there does gcc save its counts at exec.
flags_release := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE \
                 -ffunction-sections -fdata-sections
flags_asan    := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all \
                 -fno-omit-frame-pointer -DMOAT_SANITIZED -DMOAT_LONG_EXIT
flags_cov     := -DMOAT_LONG_EXIT -O0 --coverage -std=gnu++20 -DMOAT_SANITIZED
flags_fuzz    := -O1 -fsanitize=fuzzer-no-link,address,undefined -DMOAT_SANITIZED \
                 -fno-sanitize-recover=all
hardened      := -Wl,-z,relro,-z,now -Wl,--gc-sections
link_release_static  := -static-pie $(hardened)
link_release_dynamic := -pie $(hardened)
link_asan     := -fsanitize=address,undefined
link_cov      := --coverage
link_fuzz     := -fsanitize=fuzzer,address,undefined

warnings := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion \
            -Wold-style-cast -Wnon-virtual-dtor -Wvla -Werror
compile  := $(CXX) -std=c++20 -g1 -I. -D_GLIBCXX_ASSERTIONS $(warnings) \
            $(flags_$(BUILD)) $(CXXFLAGS) -MMD -MP
link     := $(CXX) $(or $(link_$(BUILD)),$(link_$(BUILD)_$(LINK))) $(LDFLAGS)
libs     := -lboost_program_options -llmdb -lsodium $(LDLIBS)

# These targets build on every core without being told.
make = +$(MAKE) -j$(shell nproc)

all: $(bin)/moat $(names:%=$(bin)/moat-%)

separate: $(names:%=$(sep)/moat-%)

$(out)/%.o: %.cc
	@mkdir -p $(@D)
	@echo "  CXX $<"
	@$(compile) -c -o $@ $<

$(out)/libcommon.a: $(call objects,libcommon/*/*.cc)
	@rm -f $@ && $(AR) rcs $@ $^

# The table of programs: all of them in the fused executable, one row in each
# of the others, none in tests.
$(out)/table/moat.cc: $(wildcard cmd/*/main.cc) scripts/program-table
	@mkdir -p $(@D)
	scripts/program-table $(names) >$@
$(out)/table/none.cc: scripts/program-table
	@mkdir -p $(@D)
	scripts/program-table >$@
$(out)/table/%.cc: scripts/program-table
	@mkdir -p $(@D)
	scripts/program-table $* >$@
$(out)/table/%.o: $(out)/table/%.cc
	@$(compile) -c -o $@ $<
.PRECIOUS: $(out)/table/%.cc $(out)/table/%.o

$(bin)/moat: $(call objects,cmd/*/*.cc) $(out)/table/moat.o $(out)/libcommon.a
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(link) -o $@ $^ $(libs)

$(names:%=$(bin)/moat-%): $(bin)/moat
	@ln -sf moat $@

# A separate program is everything in its folder and what it needs of libcommon.
.SECONDEXPANSION:
$(names:%=$(sep)/moat-%): $(sep)/moat-%: $$(call objects,cmd/$$*/*.cc) $(out)/table/%.o $(out)/libcommon.a
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(link) -o $@ $^ $(libs)

# A unit test is one file, and whatever it needs of the checks and libcommon.
checks := $(filter-out %/main.o,$(call objects,cmd/*/*.cc))
$(out)/checks.a: $(checks) $(out)/table/none.o
	@rm -f $@ && $(AR) rcs $@ $^

$(tests): $(out)/unit/%: $(out)/tests/unit/%.o $(out)/checks.a $(out)/libcommon.a
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(link) -o $@ $< $(out)/checks.a $(out)/libcommon.a $(out)/checks.a $(libs)

# A fuzzer runs over its corpus and no further, unless libFuzzer drives it.
ifneq ($(BUILD),fuzz)
replay := $(out)/tests/fuzz/replay.o
endif
$(fuzzers): $(out)/fuzz/%: $(out)/tests/fuzz/%.o $(replay) $(out)/checks.a $(out)/libcommon.a
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(link) -o $@ $< $(replay) $(out)/checks.a $(out)/libcommon.a $(out)/checks.a $(libs)

# Tools of the tests: load generator, raw dialogs, system-call recorder.
$(testtools): $(out)/tools/%: $(out)/tests/tools/%.o $(out)/checks.a $(out)/libcommon.a
	@mkdir -p $(@D)
	@echo "  LINK $@"
	@$(link) -o $@ $< $(out)/libcommon.a $(out)/checks.a $(out)/libcommon.a $(libs)

deps:
	scripts/need build

check:
	scripts/need build check
	$(make) all separate test-programs
	$(make) BUILD=asan all test-programs
	scripts/check

fuzzers: $(fuzzers)

test-programs: $(tests) $(fuzzers) $(testtools)

unit-check: $(tests)
	@for test in $(tests); do $$test || exit 1; done

fuzz-check: $(fuzzers)
	@for fuzzer in $(fuzzers); do \
	  $$fuzzer tests/fuzz/$$(basename $$fuzzer).corpus/* || exit 1; \
	done

bats-check: all
	PATH="$(abspath $(bin)):$$PATH" bats tests

run:
	scripts/need build run
	$(make) all
	@scripts/run

# Side by side with Debian's Postfix; BENCH holds options of tests/bench/run.
bench:
	scripts/need build bench
	$(make) all $(out)/tools/smtpload
	tests/bench/run $(BENCH)

fuzz:
	scripts/need build fuzz
	scripts/fuzz $(FUZZ_TIME)

coverage:
	scripts/need build check coverage
	$(make) BUILD=cov all test-programs
	scripts/coverage

lint:
	scripts/need build lint
	scripts/lint $(FORMAT) $(TIDY)

settings := DESTDIR BINDIR MANDIR UNITDIR ETCDIR STATEDIR SPOOLDIR RUNDIR VMAILDIR LOGDIR \
            MOAT MOATSCAN MOATQ MOATREMOTE MOATRELAY MOATPW MOATTLS MOATMAIL MOATLOG MOATSTATE \
            MOATRUN
set_all  := env $(foreach name,$(settings),$(name)='$($(name))')
install: $(if $(SEPARATE),separate,all)
	@$(set_all) FUSED=$(bin)/moat SEPARATE=$(if $(SEPARATE),$(sep)) scripts/install add $(names)

uninstall:
	@$(set_all) scripts/install remove $(names)

users:
	@$(set_all) scripts/users

clean:
	rm -rf $(B)

.PHONY: all separate deps check fuzzers test-programs unit-check fuzz-check bats-check run \
        bench fuzz coverage lint install uninstall users clean
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

-include $(wildcard $(out)/*/*/*.d $(out)/*/*/*/*.d $(out)/table/*.d)
