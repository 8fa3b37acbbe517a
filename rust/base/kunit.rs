// SPDX-License-Identifier: GPL-2.0

//! What KUnit tests need to stand in for the rest of the kernel: memory of user space,
//! faults, netlink requests and answers, packets, and a qdisc that no device uses. The crate
//! `tackle` adds functions to hook.
//!
//! C header: [`include/kunit/test.h`](srctree/include/kunit/test.h), described in
//! `Documentation/dev-tools/kunit/` of the kernel.
//!
//! Only for kernels with `CONFIG_KUNIT=y`. With this, a module's tests stay safe code, and
//! the types that they hand to the code under test cannot be made anywhere else.

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

/// Ends a test as failed unless two values are equal, and tells both.
///
/// For tests that return a [`Result`](kernel::error::Result). The values of the test are
/// dropped on the way out, other than with KUnit's own `assert_eq!`, which ends the thread
/// where it stands: a hook would stay, on a stack that is gone.
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
