// SPDX-License-Identifier: GPL-2.0

//! Loads and unloads a patch that adds a field to a structure, while every processor allocates,
//! uses and frees such structures. This is a part of [`patches`](super::patches).
//!
//! The patch's replacements call the functions that they replace, and store the field in a shadow
//! variable. The output of a meter is right with and without the field. While the patch is not
//! loaded, no meter has the field, even if it had it before.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

use anyhow::{ensure, Result};

use super::await_more;
use crate::sys::livepatch::Patch;
use crate::sys::meter::Meter;
use crate::sys::module;

const PATCH: &str = "livepatch_meter_largest";
const READING: u32 = 90;

/// The results of callers, and the module with the meters.
#[derive(Default)]
pub struct Meters {
    module: Option<module::Loaded>,
    /// The value is even while the patch is disabled.
    stage: AtomicU32,
    plain: AtomicU64,
    with_field: AtomicU64,
}

impl Meters {
    /// Loads the module whose functions are patched.
    ///
    /// # Errors
    ///
    /// The module cannot be loaded.
    pub fn new() -> Result<Self> {
        Ok(Self {
            module: Some(module::load("livepatch_meter", "")?),
            ..Self::default()
        })
    }

    /// Returns the function of one caller. The caller keeps one meter, and makes another one in
    /// each call.
    ///
    /// # Errors
    ///
    /// The module is not loaded.
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

    /// Enables the patch, and disables it.
    ///
    /// # Errors
    ///
    /// The transition does not end, or no caller sees it.
    pub fn round(&self) -> Result<()> {
        self.stage.fetch_add(1, SeqCst);
        let patch = Patch::load_module(PATCH, "")?;
        let with_field = || Ok(self.with_field.load(SeqCst));
        await_more("meters with the field", 4, with_field)?;
        patch.unload()?;
        self.stage.fetch_add(1, SeqCst);
        await_more("meters without", 4, || Ok(self.plain.load(SeqCst)))
    }

    /// Returns how often callers saw the field.
    pub fn fields(&self) -> u64 {
        self.with_field.load(SeqCst)
    }

    /// Unloads the module.
    ///
    /// # Errors
    ///
    /// The module is still in use.
    pub fn finish(self) -> Result<()> {
        self.module.map_or(Ok(()), module::Loaded::unload)
    }
}
