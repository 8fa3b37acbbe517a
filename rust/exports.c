// SPDX-License-Identifier: GPL-2.0
/*
 * Exports the symbols of the library's base to the modules that stand on it. exports_ftrace.c
 * does so for the rest of the library.
 *
 * A generic or inlined function of the library is compiled into the module that
 * uses it, and from there may call any non-generic one, private ones included:
 * so all are exported, from a list generated with nm, as the kernel does for its
 * own crates. There are no prototypes to be had; the Rust
 * compiler has checked the types on both sides.
 */

#include <linux/export.h>
#include <linux/module.h>

#include "exports_generated.h"

/*
 * Each module has a reference to this (rust/base/declare.rs). Its name stands in the log
 * when a module was built against another build of the library.
 */
const char TACKLE_BUILD_SYMBOL;
EXPORT_SYMBOL_GPL(TACKLE_BUILD_SYMBOL);
