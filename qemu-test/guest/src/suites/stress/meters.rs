// SPDX-License-Identifier: GPL-2.0

//! The patch that adds a field to a live structure, in and out while every processor
//! makes, uses and frees such structures: a part of [`patches`](super::patches).
//!
//! Its replacements call the functions that they replace, and keep the field as a shadow
//! variable. What a meter shows is right with and without the field; while the patch is
//! gone, no meter has one, not even that which had one before.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

use anyhow::{ensure, Result};

use super::await_more;
use crate::sys::livepatch::Patch;
use crate::sys::meter::Meter;
use crate::sys::module;

const PATCH: &str = "livepatch_meter_largest";
const READING: u32 = 90;

/// What callers see of meters, and the module that has them.
#[derive(Default)]
pub struct Meters {
    module: Option<module::Loaded>,
    /// Even while the patch is out of force.
    stage: AtomicU32,
    plain: AtomicU64,
    with_field: AtomicU64,
}

impl Meters {
    /// Loads the module whose functions are patched.
    ///
    /// # Errors
    ///
    /// It cannot be loaded.
    pub fn new() -> Result<Self> {
        Ok(Self {
            module: Some(module::load("livepatch_meter", "")?),
            ..Self::default()
        })
    }

    /// Makes what one caller does: it keeps a meter, and makes another one each time.
    ///
    /// # Errors
    ///
    /// There are no meters.
    pub fn caller(&self) -> Result<impl FnMut() -> Result<()> + '_> {
        let mut kept = Meter::open()?;
        Ok(move || {
            self.call(&mut kept)?;
            self.call(&mut Meter::open()?)
        })
    }

    fn call(&self, meter: &mut Meter) -> Result<()> {
        let before = self.stage.load(SeqCst);
        meter.add(READING)?;
        let text = meter.text()?;
        let out = before % 2 == 0 && before == self.stage.load(SeqCst);
        let plain = format!("average {READING}\n");
        let with_field = format!("{plain}largest {READING}\n");
        ensure!(
            text == plain || (text == with_field && !out),
            "expected {plain:?}{}, got {text:?}",
            if out {
                ""
            } else {
                " with or without the largest"
            }
        );
        let count = if text == plain {
            &self.plain
        } else {
            &self.with_field
        };
        count.fetch_add(1, SeqCst);
        Ok(())
    }

    /// The patch comes into force, and goes again.
    ///
    /// # Errors
    ///
    /// It does not, or nobody sees it.
    pub fn round(&self) -> Result<()> {
        self.stage.fetch_add(1, SeqCst);
        let patch = Patch::load_module(PATCH, "")?;
        let with_field = || Ok(self.with_field.load(SeqCst));
        await_more("meters with the field", 4, with_field)?;
        patch.unload()?;
        self.stage.fetch_add(1, SeqCst);
        await_more("meters without", 4, || Ok(self.plain.load(SeqCst)))
    }

    /// How often a field was seen.
    pub fn fields(&self) -> u64 {
        self.with_field.load(SeqCst)
    }

    /// Unloads the module.
    ///
    /// # Errors
    ///
    /// It is still in use.
    pub fn finish(self) -> Result<()> {
        self.module.map_or(Ok(()), module::Loaded::unload)
    }
}
