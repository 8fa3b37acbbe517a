// SPDX-License-Identifier: GPL-2.0

//! Implements stand-ins for the rest of the kernel in KUnit tests: memory of user space, faults,
//! netlink requests and answers, packets, and a qdisc without a device. The crate `tackle` adds
//! functions to hook.
//!
//! C header: [`include/kunit/test.h`](srctree/include/kunit/test.h), described in
//! `Documentation/dev-tools/kunit/` of the kernel.
//!
//! Only for kernels with `CONFIG_KUNIT=y`. With this module the tests of a module need no `unsafe`
//! code. The types that the tests pass to the code under test cannot be made anywhere else.

mod fault;
mod forget;
mod netlink;
mod qdisc;
mod user;

pub use fault::{counts, Faults};
pub use forget::forget;
pub use netlink::{Ack, Message, Request};
pub use qdisc::{packets, Counts, Packet, Standalone};
pub use user::written;

/// Fails and ends a test unless two values are equal, and prints both.
///
/// For tests that return a [`Result`](kernel::error::Result). The test returns, so its values are
/// dropped. KUnit's own `assert_eq!` ends the thread at once instead, and drops nothing: a hook in
/// the stack of the test would stay registered after the stack was freed.
///
/// ```ignore
/// expect_eq!(calls(&hook), 3);
/// ```
#[macro_export]
macro_rules! expect_eq {
    ($actual:expr, $expected:expr $(,)?) => {
        match (&$actual, &$expected) {
            (actual, expected) => {
                if *actual != *expected {
                    $crate::__private::kernel::pr_err!(
                        "{}:{}: {} is {:?}, expected {:?}\n",
                        $crate::__private::core::file!(),
                        $crate::__private::core::line!(),
                        $crate::__private::core::stringify!($actual),
                        actual,
                        expected
                    );
                    return Err($crate::__private::kernel::error::code::EINVAL);
                }
            }
        }
    };
}
