# SPDX-License-Identifier: GPL-2.0
#
# What a person types. `make help` tells.
#
# Everything is compiled and run in the toolbox (scripts/toolbox.sh), so that a
# machine's own compilers never matter; the exception is `make modules KDIR=...`,
# which builds for the kernel that KDIR names with the machine's own.

MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
TOP := $(CURDIR)
BUILD := $(TOP)/build
TOOLBOX := scripts/toolbox.sh run

# The kernels that tests run on; demo and shell take FLAVOUR. The kernel `debug` has our
# patches; `patched` has them without the checkers (KERNELS=patched); `rt` has PREEMPT_RT.
KERNELS := stock debug
FLAVOUR := stock
RUNNER := $(BUILD)/cargo/release/tackle-qemu
kernel-dir = $(BUILD)/kernels/$(1)
runner-kernels = $(foreach k,$(1),--kernel $(k)=$(call kernel-dir,$(k))) --build $(BUILD)

# The scripts use both processors by themselves, and apt has one lock.
.NOTPARALLEL:

.DEFAULT_GOAL := $(if $(CLIPPY),clippy,help)

# The two commands ------------------------------------------------------------

.PHONY: demo
demo: boot-$(FLAVOUR) ## boot a guest and see every system at work
	@$(TOOLBOX) $(RUNNER) demo $(call runner-kernels,$(FLAVOUR))

# The kernels behind the first one are made while the first tests run.
.PHONY: test
test: boot-$(firstword $(KERNELS)) ## run every test (SUITE=name; KERNELS=stock; ROUNDS=n: of stress, netlink_fuzz, every_function, debugfs_fuzz, numa4 and numa_policy; KEEP=1: keep logs)
	@TACKLE_KERNEL_SRC="$$(readlink -f $(call kernel-dir,$(firstword $(KERNELS)))/source)" \
	 TACKLE_KERNEL_RUSTC="scripts/rustc.sh $(call kernel-dir,$(firstword $(KERNELS)))" \
	 TACKLE_KERNEL_CLIPPY="scripts/kbuild.sh $(call kernel-dir,$(firstword $(KERNELS))) modules CLIPPY=1" \
	 $(TOOLBOX) $(RUNNER) test $(call runner-kernels,$(KERNELS)) \
		$(foreach k,$(filter-out $(firstword $(KERNELS)),$(KERNELS)),\
			--make '$(k)=scripts/boot.sh $(k) $(call kernel-dir,$(k))') \
		$(addprefix --suite ,$(SUITE)) $(addprefix --rounds ,$(ROUNDS)) $(if $(KEEP),--keep)
	@# Quietly: the last line is the sum of the tests.
	@$(TOOLBOX) scripts/crates.sh keep 2>/dev/null || true

# Also on the kernel with PREEMPT_RT, unless the user names the kernels.
STRESS := $(if $(filter command,$(firstword $(origin KERNELS))),$(KERNELS),$(KERNELS) rt)

.PHONY: stress
stress: $(addprefix boot-,$(STRESS)) ## all comes and goes under load, random netlink messages, a hook on every function, 10,000 tasks on four nodes, a policy of NUMA balancing (KERNELS=debug; ROUNDS=n instead of 1000)
	@$(TOOLBOX) $(RUNNER) test $(call runner-kernels,$(STRESS)) --suite stress \
		--suite netlink_fuzz --suite every_function --suite debugfs_fuzz \
		--suite numa4 --suite numa_policy --rounds $(or $(ROUNDS),1000) $(if $(KEEP),--keep)

.PHONY: fresh
fresh: ## demo and test in fresh Debian 12 and 13 (FRESH=trixie; FRESH_MAKE=demo; FRESH_CACHE=folder; SUITE, KERNELS: of test)
	@scripts/fresh.sh

.PHONY: bench
bench: boot-stock $(if $(filter-out qdisc-time links links-all,$(SUITE)),,boot-uml) ## measure beside the C originals (SUITE=hooks, qdisc, livepatch, numa, numa-placement, fault, qdisc-time, links, links-all, core or numa-sim; COMPARE=commit; KEEP=1; ROUNDS=n: of numa-placement)
	@$(TOOLBOX) scripts/bench.sh stock $(call kernel-dir,stock) \
		$(addprefix --suite ,$(SUITE)) $(if $(COMPARE),--compare '$(COMPARE)') \
		$(addprefix --rounds ,$(ROUNDS)) $(if $(KEEP),--keep)

.PHONY: shell
shell: boot-$(FLAVOUR) ## an interactive guest with the modules at hand
	@$(TOOLBOX) $(RUNNER) shell $(call runner-kernels,$(FLAVOUR))

# Files of the user's for the guest of `make fault`.
EXTRA := $(BUILD)/extra
# What campaigns are run: a workload of qemu-test/fault, the user's own, or a module without one.
fault-known = $(wildcard qemu-test/fault/$(1).toml)
fault-source = $(if $(call fault-known,$(1)),--workload=$(1).toml,--module=$(1))
fault-ourselves := $(basename $(notdir $(wildcard qemu-test/fault/ourselves*.toml)))
fault-ours := fault_planted fault_repaired $(fault-ourselves)
fault-all := $(filter-out $(fault-ours),$(basename $(notdir $(wildcard qemu-test/fault/*.toml))))
fault-names = $(if $(SELF),$(fault-ourselves),$(if $(filter all,$(MODULES)),$(fault-all),$(MODULES) $(MODULE)))
fault-tasks = $(if $(WORKLOAD),--workload=$(notdir $(WORKLOAD)),$(foreach name,$(fault-names),$(call fault-source,$(name))))

.PHONY: fault-files
fault-files:
	@[ -n '$(strip $(fault-tasks))' ] || { echo "name what is tested: make fault MODULE=zram, MODULES=all, WORKLOAD=file.toml or SELF=1" >&2; exit 1; }
	@rm -rf $(EXTRA)
	@mkdir -p $(EXTRA)
	@for file in $(WORKLOAD) $(KO); do [ ! -e "$$file" ] || cp "$$file" $(EXTRA)/; done

.PHONY: fault
fault: fault-files programs guest ## make each failing call of a module fail (MODULE=zram, MODULES=all, WORKLOAD=file.toml KO=file.ko, or SELF=1; LIMIT=seconds; SLAB_DEBUG=off; REPLAY=operation:id)
	@$(TOOLBOX) scripts/boot.sh $(FLAVOUR) $(call kernel-dir,$(FLAVOUR)) campaign $(EXTRA)
	@status=0; for task in $(fault-tasks); do \
		$(TOOLBOX) $(RUNNER) fault $(call runner-kernels,$(FLAVOUR)) $$task \
			$(if $(WORKLOAD),--again 'WORKLOAD=$(WORKLOAD)$(if $(KO), KO=$(KO))') \
			$(if $(filter off,$(SLAB_DEBUG)),--no-slab-debug) \
			$(addprefix --limit ,$(LIMIT)) $(addprefix --replay ,$(REPLAY)) $(if $(KEEP),--keep) || status=$$?; \
	done; exit $$status

# The parts -------------------------------------------------------------------

.PHONY: toolbox
toolbox: ## the Debian root file system that everything runs in
	@scripts/host.sh
	@scripts/toolbox.sh make

.PHONY: kernel
kernel: toolbox ## a kernel: FLAVOUR=stock (default), rt, patched, debug or uml
	@$(TOOLBOX) scripts/kernel.sh $(FLAVOUR) $(call kernel-dir,$(FLAVOUR))

.PHONY: guest
guest: toolbox ## the root image of the guests
	@scripts/guest.sh root

.PHONY: programs
programs: toolbox ## the test runner and the guest's programs
	@$(TOOLBOX) scripts/programs.sh

# Kernel, images, modules and programs: all that a guest boots from.
boot-%: programs guest FORCE
	@$(TOOLBOX) scripts/boot.sh $* $(call kernel-dir,$*)

.PHONY: FORCE
FORCE:

.PHONY: clippy
clippy: toolbox ## lint all Rust code (also: make CLIPPY=1)
	@$(TOOLBOX) scripts/kernel.sh $(FLAVOUR) $(call kernel-dir,$(FLAVOUR))
	@$(TOOLBOX) scripts/kbuild.sh $(call kernel-dir,$(FLAVOUR)) modules CLIPPY=1
	@$(TOOLBOX) cargo clippy --workspace --all-targets --locked -- -D warnings

# The modules for a kernel of one's own ----------------------------------------

KDIR ?= /lib/modules/$(shell uname -r)/build
kbuild = $(MAKE) -C $(KDIR) M=$(TOP) MO=$(BUILD)/modules

.PHONY: modules
modules: ## the modules for the kernel that KDIR names (default: the one that runs)
	@scripts/kdir.sh $(KDIR)
	@mkdir -p $(BUILD)/modules
	@$(kbuild) modules

.PHONY: modules_install
modules_install: ## install them under /lib/modules
	@[ -e $(BUILD)/modules/tackle.ko ] || { echo "nothing to install: make modules first" >&2; exit 1; }
	@$(kbuild) modules_install

.PHONY: tools
tools: toolbox ## the command tackle, and the plug-ins of tc
	@$(TOOLBOX) scripts/tools.sh build

.PHONY: tools_install
tools_install: ## install them and their manual pages (DESTDIR, PREFIX=/usr, TC_LIB_DIR)
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' TC_LIB_DIR='$(TC_LIB_DIR)' scripts/tools.sh install

# Habits ----------------------------------------------------------------------

.PHONY: format
format: toolbox ## format the Rust code as the kernel's is
	@$(TOOLBOX) cargo fmt --all
	@$(TOOLBOX) sh -c 'rustfmt $$(find rust/base rust/kunit rust/tackle modules samples tests/compile-fail qemu-test/bench/modules qemu-test/rig -name "*.rs")'

.PHONY: pin
pin: toolbox ## move the pinned kernel to the newest one in the archive
	@$(TOOLBOX) scripts/linux.sh pin

.PHONY: clean
clean: ## remove what was built in this checkout
	@rm -rf $(BUILD)

.PHONY: distclean
distclean: clean ## remove the cache folder, too
	@scripts/distclean.sh

.PHONY: help
help: ## this
	@echo 'Usage: make TARGET'
	@sed -n 's/^\([a-z_]*\):.*## \(.*\)/  \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
		awk -F '|' '{ printf "%-18s %s\n", $$1, $$2 }'
