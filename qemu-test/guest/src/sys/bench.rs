// SPDX-License-Identifier: GPL-2.0

//! What a qdisc is tried on: its module, a socket to the kernel and a device.

use anyhow::Result;

use super::codel::{Options, Xstats};
use super::dummy::Dummy;
use super::qdisc::{How, Shown, Tc};
use super::{module, Answer};

/// The three; whatever is on the device goes with it.
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
    /// As for every method here: the kernel refuses.
    pub fn new(module: &'static str) -> Result<Self> {
        Ok(Self {
            stack: module::stack(module, "")?,
            tc: Tc::open()?,
            device: Dummy::new("tkd0", 1)?,
        })
    }

    /// Puts a new queue on the device; the old one goes first, because one of
    /// the same kind would only be changed.
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

    /// What the kernel tells of the queue on the device.
    pub fn show(&self) -> Result<Shown> {
        self.tc.show(self.device.index)
    }

    /// Its options, for a queue of the CoDel family.
    pub fn options(&self) -> Result<Options> {
        Options::decode(&self.show()?.options)
    }

    /// Its own statistics, for a queue of the CoDel family.
    pub fn xstats(&self) -> Result<Xstats> {
        Xstats::decode(&self.show()?.xstats)
    }

    /// Takes all away again.
    pub fn done(self) -> Result<()> {
        drop(self.device);
        self.stack.unload()
    }
}
