// SPDX-License-Identifier: GPL-2.0

//! More attributes than there is room for on the stack.

#![forbid(unsafe_code)]

use tackle::net::netlink::Policy;

pub fn policy() -> usize {
    let policy = Policy::<60000>::new(); //~ ERROR evaluation of `tackle::net::netlink::Policy::<60000>::new
    size_of_val(&policy)
}
