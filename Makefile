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

KERNEL := stock
KERNEL_DIR := $(BUILD)/kernels/$(KERNEL)
GUEST := $(BUILD)/cargo/release/tackle-guest
RUNNER := $(BUILD)/cargo/release/tackle-qemu
KERNELS := --kernel $(KERNEL)=$(KERNEL_DIR)

.DEFAULT_GOAL := help

## The two commands ----------------------------------------------------------------

.PHONY: demo
demo: boot ## boot a guest and see every system at work
	@$(TOOLBOX) $(RUNNER) demo $(KERNELS) --build $(BUILD)

.PHONY: test
test: boot ## run every test (SUITE=name: that one; KEEP=1: keep logs and files)
	@TACKLE_KERNEL_SRC="$$(readlink -f $(KERNEL_DIR)/build/source)" \
	 TACKLE_KERNEL_CLIPPY="make -s kernel-clippy" \
	 $(TOOLBOX) $(RUNNER) test $(KERNELS) --build $(BUILD) \
		$(addprefix --suite ,$(SUITE)) $(if $(KEEP),--keep)

.PHONY: shell
shell: boot ## an interactive guest with the modules at hand
	@$(TOOLBOX) $(RUNNER) shell $(KERNELS) --build $(BUILD)

## The parts -----------------------------------------------------------------------

.PHONY: host
host:
	@scripts/host.sh

.PHONY: toolbox
toolbox: host ## the Debian root file system that everything runs in
	@scripts/toolbox.sh make

.PHONY: kernel
kernel: toolbox ## the stock kernel, with its Rust metadata
	@mkdir -p $(KERNEL_DIR)
	@kernel=$$($(TOOLBOX) scripts/stock.sh) && ln -sfn "$$kernel/build" $(KERNEL_DIR)/build && \
	 ln -sfn "$$kernel" $(KERNEL_DIR)/kernel

.PHONY: guest
guest: kernel ## what the guest boots from
	@scripts/guest.sh root
	@$(TOOLBOX) scripts/guest.sh boot "$$(readlink $(KERNEL_DIR)/kernel)" $(KERNEL_DIR)

.PHONY: programs
programs: toolbox
	@$(TOOLBOX) cargo build --release --locked --quiet -p tackle-guest -p tackle-qemu

.PHONY: boot
boot: guest programs kernel-modules
	@mkdir -p $(KERNEL_DIR)/payload
	@rm -f $(KERNEL_DIR)/payload/*
	@cp $(KERNEL_DIR)/modules/*.ko $(KERNEL_DIR)/modules/{modules,samples}/*.ko $(GUEST) \
		$(KERNEL_DIR)/payload/

## The modules ---------------------------------------------------------------------

# One Kbuild run: $(1) the kernel's build folder, $(2) where the output goes, $(3) targets.
kbuild = $(MAKE) -C $(1) M=$(TOP) MO=$(2) $(3)

.PHONY: kernel-modules
kernel-modules: kernel
	@mkdir -p $(KERNEL_DIR)/modules
	@$(TOOLBOX) scripts/kbuild.sh $(KERNEL_DIR) modules

# Called in the toolbox by the tests.
.PHONY: kernel-clippy
kernel-clippy:
	@mkdir -p $(KERNEL_DIR)/clippy
	@scripts/kbuild.sh $(KERNEL_DIR) modules CLIPPY=1

KDIR ?= /lib/modules/$(shell uname -r)/build

.PHONY: modules
modules: ## the modules for the kernel that KDIR names (default: the one that runs)
	@scripts/kdir.sh $(KDIR)
	@mkdir -p $(BUILD)/modules
	@$(call kbuild,$(KDIR),$(BUILD)/modules,modules)

.PHONY: modules_install
modules_install: ## install them under /lib/modules
	@[ -e $(BUILD)/modules/tackle.ko ] || { echo "nothing to install: make modules first" >&2; exit 1; }
	@$(call kbuild,$(KDIR),$(BUILD)/modules,modules_install)

## Habits --------------------------------------------------------------------------

.PHONY: format
format: toolbox ## format the Rust code as the kernel's is
	@$(TOOLBOX) cargo fmt --all
	@$(TOOLBOX) sh -c 'rustfmt $$(find rust/tackle modules samples -name "*.rs")'

.PHONY: pin
pin: toolbox ## move the stock kernel to the newest version in the archive
	@$(TOOLBOX) scripts/stock.sh pin

.PHONY: clean
clean: ## remove what was built in this checkout
	@rm -rf $(BUILD)

.PHONY: distclean
distclean: clean ## remove the cache folder, too
	@scripts/distclean.sh

.PHONY: help
help: ## this
	@echo 'Usage: make TARGET'
	@sed -n 's/^\([a-z_]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'
