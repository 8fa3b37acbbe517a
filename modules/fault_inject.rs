// SPDX-License-Identifier: GPL-2.0

//! Implements the fault injector: makes functions of the kernel fail, by commands to
//! `/dev/tackle_fault`.
//!
//! ```sh
//! modprobe fault_inject
//! exec 3<>/dev/tackle_fault
//! echo 'place module=zram' >&3
//! echo 'arm discover' >&3
//! modprobe zram
//! echo points >&3; cat <&3
//! ```
//!
//! The hooks belong to the open file and are removed when it is closed. `Documentation/fault.rst`
//! describes the commands.

#![forbid(unsafe_code)]

#[path = "fault_inject/session.rs"]
mod session;

use kernel::{
    miscdevice::{MiscDeviceOptions, MiscDeviceRegistration},
    prelude::*,
};
use session::Session;

tackle::module! {
    type: FaultInject,
    name: "fault_inject",
    authors: ["The Tackle developers"],
    description: "Makes functions of the kernel fail, one call at a time",
    license: "GPL",
}

struct FaultInject {
    _device: Pin<KBox<MiscDeviceRegistration<Session>>>,
}

impl kernel::Module for FaultInject {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let options = MiscDeviceOptions {
            name: c"tackle_fault",
        };
        Ok(Self {
            _device: KBox::pin_init(MiscDeviceRegistration::register(options), GFP_KERNEL)?,
        })
    }
}
