// SPDX-License-Identifier: GPL-2.0

//! The kernel functions that patches may replace, with their C prototypes.

use super::{SeqShowPrototype, Target};
use kernel::prelude::*;

/// `cmdline_proc_show()`: prints `/proc/cmdline`.
pub struct CmdlineProcShow;

// SAFETY: fs/proc/cmdline.c has
// `static int cmdline_proc_show(struct seq_file *m, void *v)`.
unsafe impl Target<SeqShowPrototype> for CmdlineProcShow {
    const NAME: &'static CStr = c"cmdline_proc_show";
}
