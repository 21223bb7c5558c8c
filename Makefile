# `make help` lists the targets. Objects and programs are in build/.
VERSION  := 0.2.0
PREFIX   ?= /usr/local
BUILD    ?= build

ifeq ($(origin CC),default)
CC       := gcc
endif
CFLAGS   ?= -O2 -g
# Warnings are errors in a git checkout. A newer compiler has warnings that this tree has not seen, so a build from a
# tarball only shows them; `make WERROR=` does the same in a checkout.
WERROR   ?= $(wildcard .git)
WARNINGS := -Wall -Wextra $(if $(WERROR),-Werror)
PKGS     := libnl-3.0 libnl-route-3.0 libmnl libnftnl libseccomp jansson libarchive yaml-0.1
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -DNETCTR_VERSION='"$(VERSION)"' $(WARNINGS) \
             -Wshadow -Wstrict-prototypes -Wmissing-prototypes -fstack-protector-strong -fPIE \
             -Iinclude -I. $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(CFLAGS)
# Static libraries spare the dynamic loader at every start. auto: each library that has a static one (Debian has none
# of libmnl); yes: fails if one of them is missing; no: all dynamic.
STATIC   ?= auto
LIBS_FILE = $(BUILD)/libs.$(STATIC)
LIBS     = @$(LIBS_FILE)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now $(LDFLAGS)

# One line a step; V=1 shows the commands.
ifneq ($(V),1)
Q := @
say = @echo "  $(1)"
endif

DIRS     := base netns netns/nft netns/iproute ipam names bridge/firewall bridge sandbox core engine/store engine doctor lab/file lab cli
SOURCES  := $(filter-out core/seccomp_gen.c core/stub.c,$(wildcard $(DIRS:%=%/*.c)))
OBJECTS  := $(SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/seccomp_blob.o
# Unit tests link what they use of everything but main: an archive, since the commands need main.
PARTS    := $(filter-out $(BUILD)/cli/main.o,$(OBJECTS))
# Each fuzz target is a unit test as well: its corpus, run once.
FUZZ     := $(filter-out replay,$(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c)))
UNITS    := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/*.c))
REPLAYS  := $(FUZZ:%=$(BUILD)/tests/unit/fuzz_%)

.PHONY: all help install install-docker uninstall deps demo test unit check check-all check-foreign check-browser check-vm check-vm-quick strike \
        bench-scale bench-lab bench-grid format lint sanitize sanitize-quick soak fuzz fuzz-targets clean tests

all: $(BUILD)/netctr  ## build the program, build/netctr (the default)

help:  ## list the targets and the variables
	@awk -F ':.*## ' '/^[a-z][a-z -]*:.*## / { printf "  %-16s%s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@printf '\nVariables:\n'
	@printf '  %-16s%s\n' V=1 'show the commands' BUILD=DIR 'where objects and programs go (build)' \
	    CC=clang 'the compiler (gcc)' CFLAGS=FLAGS 'optimization and debugging (-O2 -g)' \
	    WERROR= 'do not treat warnings as errors' STATIC=no 'link all libraries dynamically (auto, yes, no)' \
	    T=PATTERN 'make test: only the tests whose name matches' PREFIX=DIR 'where to install (/usr/local); also DESTDIR'

$(LIBS_FILE): scripts/link-libs
	@mkdir -p $(@D)
	$(Q)scripts/link-libs $(STATIC) '$(CC)' $(PKGS) >$@.new && mv $@.new $@

$(BUILD)/netctr: $(OBJECTS) | $(LIBS_FILE)
	$(call say,LD $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC $<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The usual seccomp filter is compiled to BPF here, so that no start has to.
GEN_OBJECTS := $(patsubst %,$(BUILD)/core/%.o,seccomp_gen seccomp seccomp_bpf caps) \
               $(patsubst %.c,$(BUILD)/%.o,$(wildcard base/*.c))
$(BUILD)/seccomp_gen: $(GEN_OBJECTS) | $(LIBS_FILE)
	$(call say,LD $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
$(BUILD)/seccomp_blob.c: $(BUILD)/seccomp_gen
	$(call say,BPF $@)
	$(Q)$(BUILD)/seccomp_gen > $@.new && mv $@.new $@
$(BUILD)/seccomp_blob.o: $(BUILD)/seccomp_blob.c
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/parts.a: $(PARTS)
	$(Q)rm -f $@ && $(AR) rcs $@ $^
.SECONDARY: $(UNITS:=.o) $(FUZZ:%=$(BUILD)/tests/fuzz/%.o)
# The stub is a program without a C library, kept as bytes in launch.o.
STUB_FLAGS := -std=gnu17 -Iinclude -I. $(WARNINGS) -Os -ffreestanding -fno-stack-protector \
              -fno-asynchronous-unwind-tables -fno-pic -static -nostdlib -s \
              -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-z,noexecstack
$(BUILD)/stub_fork: STUB_FLAGS += -DFORKS
$(BUILD)/stub_init: STUB_FLAGS += -DINIT
STUBS := $(BUILD)/stub $(BUILD)/stub_fork $(BUILD)/stub_init
$(STUBS): core/stub.c core/packet.h include/netctr/message.h Makefile
	@mkdir -p $(@D)
	$(call say,CC $<)
	$(Q)$(CC) $(STUB_FLAGS) -o $@ $<
$(BUILD)/core/launch.o: $(STUBS)
$(BUILD)/core/launch.o: ALL_CFLAGS += -DSTUB_FILE='"$(BUILD)/stub"'
$(BUILD)/lab/graph_page.o: lab/graph.html
$(BUILD)/lab/graph_page.o: ALL_CFLAGS += -DGRAPH_HTML='"lab/graph.html"'
$(BUILD)/lab/file/kathara_text.o: lab/file/kathara_node.sh
$(BUILD)/lab/file/kathara_text.o: ALL_CFLAGS += -DKATHARA_NODE='"lab/file/kathara_node.sh"'

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/parts.a | $(LIBS_FILE)
	$(call say,LD $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
# Tools of the tests that kill, or fail, at a system call.
TOOLS := $(BUILD)/tests/strike $(BUILD)/tests/look
$(TOOLS): $(BUILD)/tests/%: tests/%.c Makefile
	@mkdir -p $(@D)
	$(call say,CC $<)
	$(Q)$(CC) $(ALL_CFLAGS) -pie -I$(BUILD)/tests -o $@ $< -lmnl -lnftnl
$(BUILD)/tests/strike: $(BUILD)/tests/call_names.h
$(BUILD)/tests/call_names.h: Makefile
	@mkdir -p $(@D)
	$(Q)printf '#include <asm/unistd.h>\n' | $(CC) -E -dM - | \
	    sed -n 's/^#define __NR_\([a-z0-9_]*\) [0-9(].*/[__NR_\1] = "\1",/p' > $@
# Programs of the tests that use netctr's public headers.
USERS := $(BUILD)/tests/pins $(BUILD)/tests/sandboxes $(BUILD)/tests/iproute
$(USERS): $(BUILD)/tests/%: tests/%.c $(BUILD)/parts.a Makefile | $(LIBS_FILE)
	$(call say,CC $<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(BUILD)/parts.a $(LIBS)
$(REPLAYS): $(BUILD)/tests/unit/fuzz_%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/replay.o $(BUILD)/parts.a | $(LIBS_FILE)
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
PRELOADS := $(BUILD)/tests/clock.so $(BUILD)/tests/taken.so
$(PRELOADS): $(BUILD)/tests/%.so: tests/%.c Makefile
	$(call say,CC $<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -D_GNU_SOURCE $(WARNINGS) -O2 -shared -fPIC -o $@ $<
# Programs for the inside of containers, which have no C library.
INSIDE := $(BUILD)/tests/door $(BUILD)/tests/leaderless $(BUILD)/tests/ask $(BUILD)/tests/attack
$(INSIDE): $(BUILD)/tests/%: tests/%.c Makefile
	$(call say,CC $<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -D_GNU_SOURCE $(WARNINGS) -O1 -static -pthread -o $@ $<
# The same look-up by the resolvers of two libraries.
LOOKUPS := $(BUILD)/tests/lookup_musl $(BUILD)/tests/lookup_ares
$(BUILD)/tests/lookup_musl: LOOKUP_CC = musl-gcc -static
$(BUILD)/tests/lookup_ares: LOOKUP_CC = $(CC) -DARES
$(BUILD)/tests/lookup_ares: LOOKUP_LIBS = -Wl,-Bstatic -lcares -Wl,-Bdynamic
$(LOOKUPS): tests/lookup.c Makefile
	$(call say,CC $@)
	@mkdir -p $(@D)
	$(Q)$(LOOKUP_CC) -std=gnu17 -D_GNU_SOURCE $(WARNINGS) -O1 -o $@ $< $(LOOKUP_LIBS)
# The released version, which upgrade.sh runs beside this one. A tree without its history has none, and skips that.
RELEASED := eeb1ccf
$(BUILD)/tests/netctr-0.1:
	@mkdir -p $@.src
	$(call say,MAKE $@)
	$(Q)if git archive $(RELEASED) 2>/dev/null | tar -x -C $@.src 2>/dev/null; then \
	    MAKEFLAGS= $(MAKE) -s -j2 -C $@.src BUILD=build CFLAGS="-O2 -g" CC="$(CC)" STATIC=no all >/dev/null && \
	    cp $@.src/build/netctr $@.new && mv $@.new $@; fi
	$(Q)rm -rf $@.src
tests: $(UNITS) $(REPLAYS) $(TOOLS) $(USERS) $(PRELOADS) $(INSIDE) $(LOOKUPS) $(BUILD)/tests/netctr-0.1

# The same targets with libFuzzer, for FUZZ_SECONDS each. tests/fuzz/run tells more.
$(BUILD)/fuzz_%: $(BUILD)/tests/fuzz/%.o $(BUILD)/parts.a | $(LIBS_FILE)
	$(call say,LD $@)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS)
fuzz-targets: $(FUZZ:%=$(BUILD)/fuzz_%)
FUZZ_SECONDS ?= 60
fuzz:  ## libFuzzer, FUZZ_SECONDS (60) for each target
	scripts/deps build fuzz
	$(MAKE) BUILD=build/fuzz STATIC=no CC=clang CFLAGS="-O1 -g -fsanitize=fuzzer-no-link,address,undefined \
	    -fno-sanitize-recover=all -fno-omit-frame-pointer" fuzz-targets
	tests/fuzz/run $(FUZZ_SECONDS)

install: all  ## install the program, its systemd unit and the completion for bash
	install -D -m 0755 $(BUILD)/netctr $(DESTDIR)$(PREFIX)/bin/netctr
	$(Q)sed 's|@BINDIR@|$(PREFIX)/bin|' scripts/netctr-boot.service > $(BUILD)/netctr-boot.service
	install -D -m 0644 $(BUILD)/netctr-boot.service $(DESTDIR)$(PREFIX)/lib/systemd/system/netctr-boot.service
	install -D -m 0755 scripts/mkrootfs $(DESTDIR)$(PREFIX)/bin/netctr-mkrootfs
	install -D -m 0644 scripts/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/netctr

# netctr knows by which name it is called. It never takes the place of another docker or containerlab.
NAMES := docker containerlab clab
install-docker: install  ## install, and the names docker, containerlab and clab for netctr; refuses if one exists
	$(Q)for name in $(NAMES); do \
	    for at in $(DESTDIR)$(PREFIX)/bin/$$name $(if $(DESTDIR),,"$$(command -v $$name)"); do \
	        if { [ -e "$$at" ] || [ -L "$$at" ]; } && [ "$$(readlink "$$at")" != netctr ]; then \
	            echo "install-docker: $$at exists and is not netctr's: remove it first" >&2; exit 1; fi; done; done
	$(Q)for name in $(NAMES); do [ -L $(DESTDIR)$(PREFIX)/bin/$$name ] || ln -s netctr $(DESTDIR)$(PREFIX)/bin/$$name || exit 1; done

# Containers and networks stay; README.md says how to remove them.
uninstall:  ## remove what install has installed
	$(Q)for name in $(NAMES); do at=$(DESTDIR)$(PREFIX)/bin/$$name; [ "$$(readlink $$at)" != netctr ] || rm -f $$at; done
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,bin/netctr bin/netctr-mkrootfs \
	    lib/systemd/system/netctr-boot.service share/bash-completion/completions/netctr)

deps:  ## install the packages that the build and the demo need (Debian, root)
	scripts/deps build demo

demo:  ## install what is missing, build, run nginx in a container and fetch its page
	scripts/deps build demo
	$(MAKE) all
	scripts/demo

# Installs nothing: the machine's owner decides about packages.
test: all tests  ## build, then run the tests (root); T=PATTERN for some of them
	@scripts/deps --missing build test
	tests/run $(if $(T),--filter '$(T)')

unit: $(UNITS) $(REPLAYS)  ## build and run the unit tests
	tests/run --filter 'unit/'

check:  ## install what is missing, build, run all tests
	scripts/deps build test
	$(MAKE) WERROR=1 all tests
	tests/run

check-all: check check-foreign check-browser lint sanitize soak fuzz check-vm strike  ## everything: hours

check-foreign:  ## the network tests on a host whose own forward chain drops, with the cure that doctor prints
	scripts/deps build test
	$(MAKE) all tests
	FOREIGN_DROP=1 tests/run --filter 'net_*'

check-browser:  ## the page of `lab graph` in chromium, which is large
	scripts/deps build test browser
	$(MAKE) all
	tests/run --filter lab_graph

strike:  ## kill, and fail, at every single system call: hours
	scripts/deps build test
	$(MAKE) all tests
	STRIKE=all tests/run --filter 'kill_*'
	STRIKE=all tests/run --filter 'error_*'

soak:  ## start and end SOAK (2,000) containers beside one that must go on answering
	scripts/deps build test
	$(MAKE) all
	tests/soak

bench-scale:  ## what a command costs with 1, 100, 400 and 1,000 containers alive (tests/bench/scale): ten minutes, 3 GB
	scripts/deps build test
	$(MAKE) all
	tests/bench/scale

bench-lab:  ## a lab of 99 nodes up and down, beside mininet (tests/bench/lab)
	scripts/deps build test bench
	$(MAKE) all
	tests/bench/lab

bench-grid:  ## labs of 10, 100, 300 and 1,000 nodes: time and memory (tests/bench/grid): ten minutes, 3 GB
	scripts/deps build test
	$(MAKE) all
	tests/bench/grid

check-vm:  ## the tests under the kernels 6.1 and 6.12, without and with systemd (scripts/check-vm): hours
check-vm-quick:  ## what depends on the kernel, under 6.1
check-vm check-vm-quick:
	scripts/deps build test vm
	$(MAKE) all tests
	scripts/check-vm $(if $(filter %-quick,$@),--quick)

TIDY := $(wildcard $(DIRS:%=%/*.[ch]) include/netctr/*.h tests/*.c tests/unit/*.[ch] tests/fuzz/*.[ch])
SHELLS = .ci/run $(shell grep -lE '^#!.*sh$$|shellcheck shell=' scripts/* tests/* tests/*/* 2>/dev/null) \
          scripts/completion.bash $(wildcard tests/integration/*.sh tests/vm/*.sh)
# Flags without quotes: two of the macros only have to be strings.
TIDY_FLAGS = $(filter-out -Werror -DNETCTR_VERSION%,$(ALL_CFLAGS)) -DNETCTR_VERSION=__FILE__ -DSTUB_FILE=__FILE__ -DGRAPH_HTML=__FILE__
format:  ## run clang-format over all C files
	clang-format -i $(TIDY)

# scripts/lint-house: arrows between folders, circles, private headers. scripts/lint-words: wording, and names that are
# gone. gcc's analyzer follows paths, clang-tidy (.clang-tidy) reads statements. shellcheck does not follow the files that
# a test sources and sees no use of theirs.
lint:  ## static checks: house, words, format, clang-tidy, cppcheck, shellcheck, gcc's analyzer
	scripts/deps build lint
	$(MAKE) WERROR=1 all
	scripts/lint-house --build $(BUILD)
	scripts/lint-words
	clang-format --dry-run -Werror $(TIDY)
	printf '%s\n' $(SOURCES) | xargs -P $$(nproc) -n 8 sh -c 'clang-tidy --quiet "$$@" -- $(TIDY_FLAGS) 2>/dev/null' sh
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 -D_GNU_SOURCE -D__x86_64__ -Iinclude -I. \
	    --enable=warning,portability --suppress=missingIncludeSystem $(sort $(foreach d,$(DIRS),$(firstword $(subst /, ,$d))))
	shellcheck -S warning -e SC1091,SC2034,SC2154 $(sort $(SHELLS))
	$(MAKE) BUILD=build/analyzer WERROR=1 CFLAGS="-O1 -g -fanalyzer" all

# Every memory error and every undefined behaviour is fatal.
SPREAD := unit/ endings exec_hostile helpers lifecycle logs_ names_hosts net_network:bridge-nf-0 \
          net_plugs:bridge-nf-1 net_publish:bridge-nf-0 restart undo_gc volumes
sanitize:  ## the tests with AddressSanitizer and UndefinedBehaviorSanitizer
sanitize-quick:  ## a spread of them, as CI runs it
sanitize sanitize-quick:
	scripts/deps build test
	$(MAKE) BUILD=build/sanitize STATIC=no \
	    CFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer" all tests
	NETCTR_BUILD=build/sanitize TEST_SLOWER_BUILD=2 tests/run $(if $(filter %-quick,$@),$(SPREAD:%=--filter '%'))

clean:  ## remove BUILD
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d) $(UNITS:=.d) $(wildcard $(BUILD)/tests/fuzz/*.d)
