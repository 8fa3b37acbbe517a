// SPDX-License-Identifier: GPL-2.0

//! Implements the environment of a test of a qdisc: its module, a netlink socket and a device.

use anyhow::Result;

use super::codel::{Options, Xstats};
use super::dummy::Dummy;
use super::qdisc::{How, Shown, Tc};
use super::{module, Answer};

/// The module, the socket and the device. Qdiscs on the device are removed with it.
pub struct Bench {
    /// A device of its own.
    pub device: Dummy,
    /// The socket.
    pub tc: Tc,
    stack: module::Stack,
}

impl Bench {
    /// Loads the library and this module, and makes the device.
    ///
    /// # Errors
    ///
    /// The kernel refuses. This is the error of all methods.
    pub fn new(module: &'static str) -> Result<Self> {
        Ok(Self {
            stack: module::stack(module, "")?,
            tc: Tc::open()?,
            device: Dummy::new("tkd0", 1)?,
        })
    }

    /// Adds a new queue to the device. The old queue is removed first, because adding one of the
    /// same kind would only change it.
    pub fn fresh(&self, kind: &str, options: Option<&[u8]>) -> Result<Answer> {
        self.tc
            .put(How::Replace, self.device.index, "pfifo", None)??;
        self.tc.put(How::Replace, self.device.index, kind, options)
    }

    /// Changes the options of the queue on the device.
    pub fn change(&self, kind: &str, options: &[u8]) -> Result<Answer> {
        self.tc
            .put(How::Change, self.device.index, kind, Some(options))
    }

    /// Returns the kernel's dump of the queue on the device.
    pub fn show(&self) -> Result<Shown> {
        self.tc.show(self.device.index)
    }

    /// Returns the options of the queue, which must be of the CoDel family.
    pub fn options(&self) -> Result<Options> {
        Options::decode(&self.show()?.options)
    }

    /// Returns the specific statistics of the queue, which must be of the CoDel family.
    pub fn xstats(&self) -> Result<Xstats> {
        Xstats::decode(&self.show()?.xstats)
    }

    /// Removes the device and unloads the module.
    pub fn done(self) -> Result<()> {
        drop(self.device);
        self.stack.unload()
    }
}
