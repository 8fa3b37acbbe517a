// SPDX-License-Identifier: GPL-2.0
/*
 * The operations of fault_planted.c without the defects.
 */

#define PLANTED 0
#include "fault_planted.h"

MODULE_DESCRIPTION("Operations whose error paths are right");
