# SPDX-License-Identifier: GPL-2.0
#
# The commands for users. `make help` lists them.
#
# Everything is compiled and run in the toolbox (scripts/toolbox.sh), so the
# compilers of the machine do not matter. Only `make modules KDIR=...` uses
# them, to build for the kernel that KDIR names.

MAKEFLAGS += --no-print-directory
SHELL := /bin/bash
TOP := $(CURDIR)
BUILD := $(TOP)/build
TOOLBOX := scripts/toolbox.sh run

# Tests run on KERNELS. The targets demo, shell, kernel, clippy and fault use
# FLAVOUR. `stock` is Debian's kernel. `debug` has our patches and checkers,
# `patched` has the patches alone, and `rt` is Debian's kernel with PREEMPT_RT.
KERNELS := stock debug
FLAVOUR := stock
RUNNER := $(BUILD)/cargo/release/tackle-qemu
kernel-dir = $(BUILD)/kernels/$(1)
runner-kernels = $(foreach k,$(1),--kernel $(k)=$(call kernel-dir,$(k))) --build $(BUILD)

# The scripts use all CPUs by themselves, and only one of them can hold apt's
# lock.
.NOTPARALLEL:

.DEFAULT_GOAL := $(if $(CLIPPY),clippy,help)

# The two commands ------------------------------------------------------------

.PHONY: demo
demo: boot-$(FLAVOUR) ## boot a guest and show what the modules do
	@$(TOOLBOX) $(RUNNER) demo $(call runner-kernels,$(FLAVOUR))

# The test runner makes the other kernels (--make) while tests run on the first
# one.
.PHONY: test
test: boot-$(firstword $(KERNELS)) ## run all tests (SUITE=name; KERNELS=stock; ROUNDS=n: rounds of stress, netlink_fuzz, every_function, debugfs_fuzz, numa4 and numa_policy; KEEP=1: keep logs)
	@TACKLE_KERNEL_SRC="$$(readlink -f $(call kernel-dir,$(firstword $(KERNELS)))/source)" \
	 TACKLE_KERNEL_RUSTC="scripts/rustc.sh $(call kernel-dir,$(firstword $(KERNELS)))" \
	 TACKLE_KERNEL_CLIPPY="scripts/kbuild.sh $(call kernel-dir,$(firstword $(KERNELS))) modules CLIPPY=1" \
	 $(TOOLBOX) $(RUNNER) test $(call runner-kernels,$(KERNELS)) \
		$(foreach k,$(filter-out $(firstword $(KERNELS)),$(KERNELS)),\
			--make '$(k)=scripts/boot.sh $(k) $(call kernel-dir,$(k))') \
		$(addprefix --suite ,$(SUITE)) $(addprefix --rounds ,$(ROUNDS)) $(if $(KEEP),--keep)
	@# Without output, so that the last line is the result of the tests.
	@$(TOOLBOX) scripts/crates.sh keep 2>/dev/null || true

# The kernels of `make stress`: also `rt`, unless the command line sets KERNELS.
STRESS := $(if $(filter command,$(firstword $(origin KERNELS))),$(KERNELS),$(KERNELS) rt)

.PHONY: stress
stress: $(addprefix boot-,$(STRESS)) ## under load: load and unload all modules, qdiscs, live patches and hooks, send random netlink messages, write random lines to debugfs, hook every function, run 10,000 tasks on four nodes, change policies of NUMA balancing (KERNELS=debug; ROUNDS=n instead of 1000)
	@$(TOOLBOX) $(RUNNER) test $(call runner-kernels,$(STRESS)) --suite stress \
		--suite netlink_fuzz --suite every_function --suite debugfs_fuzz \
		--suite numa4 --suite numa_policy --rounds $(or $(ROUNDS),1000) $(if $(KEEP),--keep)

.PHONY: fresh
fresh: ## run demo and test in fresh Debian 12 and 13 (FRESH=trixie; FRESH_MAKE=demo; FRESH_CACHE=folder; SUITE, KERNELS: as for test)
	@scripts/fresh.sh

.PHONY: bench
bench: boot-stock $(if $(filter-out qdisc-time links links-all,$(SUITE)),,boot-uml) ## measure our modules and the C originals (SUITE=hooks, qdisc, livepatch, numa, numa-placement, fault, qdisc-time, links, links-all, core or numa-sim; COMPARE=commit; KEEP=1; ROUNDS=n: rounds of numa-placement)
	@$(TOOLBOX) scripts/bench.sh stock $(call kernel-dir,stock) \
		$(addprefix --suite ,$(SUITE)) $(if $(COMPARE),--compare '$(COMPARE)') \
		$(addprefix --rounds ,$(ROUNDS)) $(if $(KEEP),--keep)

.PHONY: shell
shell: boot-$(FLAVOUR) ## open a shell in a guest that has the modules in /tackle
	@$(TOOLBOX) $(RUNNER) shell $(call runner-kernels,$(FLAVOUR))

# The folder with the user's files (WORKLOAD, KO) for the guest of `make fault`.
EXTRA := $(BUILD)/extra
# The campaigns of `make fault`. Each uses a workload from qemu-test/fault or
# from the user (WORKLOAD), or only loads and unloads a module.
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
fault: fault-files programs guest ## inject one fault after the other into the calls of a module (MODULE=zram, MODULES=all, WORKLOAD=file.toml KO=file.ko, or SELF=1; LIMIT=seconds; SLAB_DEBUG=off; REPLAY=operation:id)
	@$(TOOLBOX) scripts/boot.sh $(FLAVOUR) $(call kernel-dir,$(FLAVOUR)) campaign $(EXTRA)
	@status=0; for task in $(fault-tasks); do \
		$(TOOLBOX) $(RUNNER) fault $(call runner-kernels,$(FLAVOUR)) $$task \
			$(if $(WORKLOAD),--again 'WORKLOAD=$(WORKLOAD)$(if $(KO), KO=$(KO))') \
			$(if $(filter off,$(SLAB_DEBUG)),--no-slab-debug) \
			$(addprefix --limit ,$(LIMIT)) $(addprefix --replay ,$(REPLAY)) $(if $(KEEP),--keep) || status=$$?; \
	done; exit $$status

# The parts -------------------------------------------------------------------

.PHONY: toolbox
toolbox: ## make the Debian root file system that everything runs in
	@scripts/host.sh
	@scripts/toolbox.sh make

.PHONY: kernel
kernel: toolbox ## make a kernel: FLAVOUR=stock (default), rt, patched, debug or uml
	@$(TOOLBOX) scripts/kernel.sh $(FLAVOUR) $(call kernel-dir,$(FLAVOUR))

.PHONY: guest
guest: toolbox ## make the root image of the guests
	@scripts/guest.sh root

.PHONY: programs
programs: toolbox ## build the test runner and the guest's programs
	@$(TOOLBOX) scripts/programs.sh

# All that a guest boots from: kernel, images, modules and programs.
boot-%: programs guest FORCE
	@$(TOOLBOX) scripts/boot.sh $* $(call kernel-dir,$*)

.PHONY: FORCE
FORCE:

.PHONY: clippy
clippy: toolbox ## lint all Rust code (also: make CLIPPY=1)
	@$(TOOLBOX) scripts/kernel.sh $(FLAVOUR) $(call kernel-dir,$(FLAVOUR))
	@$(TOOLBOX) scripts/kbuild.sh $(call kernel-dir,$(FLAVOUR)) modules CLIPPY=1
	@$(TOOLBOX) cargo clippy --workspace --all-targets --locked -- -D warnings

# Modules for the user's own kernel --------------------------------------------

KDIR ?= /lib/modules/$(shell uname -r)/build
kbuild = $(MAKE) -C $(KDIR) M=$(TOP) MO=$(BUILD)/modules

.PHONY: modules
modules: ## build the modules for the kernel that KDIR names (default: the running kernel)
	@scripts/kdir.sh $(KDIR)
	@mkdir -p $(BUILD)/modules
	@$(kbuild) modules

.PHONY: modules_install
modules_install: ## install the modules under /lib/modules
	@[ -e $(BUILD)/modules/tackle.ko ] || { echo "nothing to install: make modules first" >&2; exit 1; }
	@$(kbuild) modules_install

.PHONY: tools
tools: toolbox ## build the command tackle and the tc plug-ins
	@$(TOOLBOX) scripts/tools.sh build

.PHONY: tools_install
tools_install: ## install the command, the plug-ins and their manual pages (DESTDIR, PREFIX=/usr, TC_LIB_DIR)
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' TC_LIB_DIR='$(TC_LIB_DIR)' scripts/tools.sh install

# Maintenance -----------------------------------------------------------------

.PHONY: format
format: toolbox ## format the Rust code in the kernel's style
	@$(TOOLBOX) cargo fmt --all
	@$(TOOLBOX) sh -c 'rustfmt $$(find rust/base rust/kunit rust/tackle modules samples tests/compile-fail qemu-test/bench/modules qemu-test/rig -name "*.rs")'

.PHONY: pin
pin: toolbox ## move the pinned kernel to the newest one in the archive
	@$(TOOLBOX) scripts/linux.sh pin

.PHONY: clean
clean: ## remove what was built in this checkout
	@rm -rf $(BUILD)

.PHONY: distclean
distclean: clean ## also remove the files in the cache folder
	@scripts/distclean.sh

.PHONY: help
help: ## list these targets
	@echo 'Usage: make TARGET'
	@sed -n 's/^\([a-z_]*\):.*## \(.*\)/  \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
		awk -F '|' '{ printf "%-18s %s\n", $$1, $$2 }'
