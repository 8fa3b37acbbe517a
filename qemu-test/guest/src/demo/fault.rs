// SPDX-License-Identifier: GPL-2.0

//! Demonstrates fault points: each error path of loading `sch_rcodel` and of adding its qdisc.

use anyhow::{ensure, Result};

use super::Page;
use crate::sys::dummy::Dummy;
use crate::sys::module;
use crate::walk::{self, Step, RCODEL};

/// Shows each fault point, the error that user space got, and what remained.
///
/// # Errors
///
/// A step of the demonstration failed.
pub(super) fn show(page: &mut Page) -> Result<()> {
    let device = Dummy::new("tkd0", 1)?;
    let library = if module::is_loaded(module::LIBRARY)? {
        None
    } else {
        Some(module::load(module::LIBRARY, "")?)
    };
    page.say(format!(
        "   {:<10}{:<22}{:<10}{:<10}left behind",
        "while", "fault point", "expected", "got"
    ));
    let (loading, module) = walk::loading(RCODEL, &device)?;
    rows(page, "insmod", &loading);
    page.say(format!("   no fault: {} loads", RCODEL.module));
    let adding = walk::adding(RCODEL, &device)?;
    rows(page, "tc add", &adding);
    page.say(format!(
        "   no fault: {} is the qdisc of {}",
        RCODEL.kind, device.name
    ));
    drop(device);
    module.unload()?;
    library.map_or(Ok(()), module::Loaded::unload)?;
    let steps: Vec<_> = loading.iter().chain(&adding).collect();
    ensure!(steps.len() >= 4, "only {} points were reached", steps.len());
    let complaints: Vec<_> = steps.iter().filter_map(|step| step.complaint()).collect();
    ensure!(complaints.is_empty(), "{}", complaints.join("; "));
    Ok(())
}

fn rows(page: &mut Page, operation: &str, steps: &[Step]) {
    for step in steps {
        let left = if step.left.is_empty() {
            "nothing".to_string()
        } else {
            step.left.join(", ")
        };
        page.say(format!(
            "   {operation:<10}{:<22}{:<10}{:<10}{left}",
            step.name(),
            step.expected(),
            step.seen()
        ));
    }
}
