// SPDX-License-Identifier: GPL-2.0
/*
 * Exports the symbols of tackle_ftrace.ko to the modules that stand on it, as exports.c does those
 * of tackle.ko.
 */

#include <linux/export.h>
#include <linux/module.h>

#include "exports_ftrace_generated.h"
