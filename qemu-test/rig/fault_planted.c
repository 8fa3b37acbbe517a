// SPDX-License-Identifier: GPL-2.0
/*
 * Operations with planted defects: each has one defect in an error path.
 */

#define PLANTED 1
#include "fault_planted.h"

MODULE_DESCRIPTION("Operations with planted defects in their error paths");
