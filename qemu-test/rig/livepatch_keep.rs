// SPDX-License-Identifier: GPL-2.0

//! Implements callbacks that keep a number in the state 1, and take it over from an earlier patch.

use kernel::prelude::*;
use tackle::livepatch::{Callbacks, Transition};

/// The state's id.
pub(crate) const ID: usize = 1;

/// The callbacks; see the module's documentation.
pub(crate) struct Keep;

#[vtable]
impl Callbacks for Keep {
    fn pre_patch(change: &Transition<'_>) -> Result {
        let state = change.state(ID).ok_or(EINVAL)?;
        match change.previous_state(ID) {
            Some(previous) => {
                pr_info!(
                    "takes over {} from version {}\n",
                    previous.data,
                    previous.version
                );
                state.set_data(previous.data + 1);
            }
            None => {
                pr_info!("is the first, version {}\n", state.version());
                state.set_data(100);
            }
        }
        // The patch has not declared this state.
        match change.state(ID + 1) {
            Some(_) => Err(EEXIST),
            None => Ok(()),
        }
    }

    fn post_unpatch(change: &Transition<'_>) {
        let data = change.state(ID).map(|state| state.data());
        pr_info!("leaves {data:?}\n");
    }
}
