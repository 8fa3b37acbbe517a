// SPDX-License-Identifier: GPL-2.0

//! A policy of NUMA balancing in Rust: all tasks prefer one node, if they may run there.
//!
//! ```sh
//! insmod numa_home.ko node=1
//! cat /sys/kernel/debug/tackle/numa_policy
//! ```

#![forbid(unsafe_code)]

use kernel::prelude::*;
use tackle::numa::{is_online, Choice, Policy, PolicyRegistration};

tackle::module! {
    type: NumaHome,
    name: "numa_home",
    authors: ["The Tackle developers"],
    description: "A policy of NUMA balancing: all tasks prefer one node",
    license: "GPL",
    params: {
        node: u32 {
            default: 0,
            description: "The node",
        },
    },
}

/// The preferred node of all tasks.
struct Home(usize);

impl Policy for Home {
    fn preferred_node(&self, _choice: &Choice<'_>) -> Option<usize> {
        Some(self.0)
    }
}

struct NumaHome {
    _registration: PolicyRegistration<Home>,
}

impl kernel::Module for NumaHome {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // CAST: A `usize` has 64 bits.
        let node = module_parameters::node.value() as usize;
        if !is_online(node) {
            pr_err!("node={node}: not an online node\n");
            return Err(EINVAL);
        }
        Ok(Self {
            _registration: PolicyRegistration::new(Home(node))?,
        })
    }
}
