// SPDX-License-Identifier: GPL-2.0

//! Implements callbacks that log for which object they are called.

use kernel::prelude::*;
use tackle::livepatch::{Callbacks, Transition};

/// The callbacks; see the module's documentation.
pub(crate) struct Log;

/// Writes `CALLBACK vmlinux` or `CALLBACK MODULE STATE`.
pub(crate) fn log(callback: &str, change: &Transition<'_>) {
    match (change.module(), change.module_state()) {
        (Some(module), Some(state)) => pr_info!("{callback} {module} {state:?}\n"),
        (Some(module), None) => pr_info!("{callback} {module}, which is not loaded\n"),
        (None, _) => pr_info!("{callback} vmlinux\n"),
    }
}

#[vtable]
impl Callbacks for Log {
    fn pre_patch(change: &Transition<'_>) -> Result {
        log("pre_patch", change);
        // This is the value of a parameter: 0, or an errno.
        let errno = match change.module() {
            None => crate::pre_patch_errno(),
            Some(_) => crate::pre_patch_module_errno(),
        };
        kernel::error::to_result(-errno)
    }

    fn post_patch(change: &Transition<'_>) {
        log("post_patch", change);
    }

    fn pre_unpatch(change: &Transition<'_>) {
        log("pre_unpatch", change);
    }

    fn post_unpatch(change: &Transition<'_>) {
        log("post_unpatch", change);
    }
}
