// SPDX-License-Identifier: GPL-2.0
/* One of two modules with the same layout. */

#include "rig_twin.h"
