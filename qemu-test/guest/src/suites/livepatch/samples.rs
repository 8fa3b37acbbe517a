// SPDX-License-Identifier: GPL-2.0

//! Tests the sample patches of `livepatch_meter`.

use anyhow::Result;

use crate::suite::Context;
use crate::sys::livepatch::Patch;
use crate::sys::meter::Meter;
use crate::sys::module;

pub fn samples_fix_a_bug(_: &mut Context<'_>) -> Result<()> {
    const LARGE: u32 = 4_000_000_000;
    let target = module::load("livepatch_meter", "")?;
    let mut meter = Meter::open()?;
    meter.add(LARGE)?;
    meter.expect("average 4000000000\n")?;
    meter.add(LARGE)?;
    // (2 * LARGE - 2^32) / 2
    meter.expect("average 1852516352\n")?;
    let patch = Patch::load_module("livepatch_meter_fix", "")?;
    meter.add(LARGE)?;
    meter.expect("average 2926258176\n")?;
    let mut other = Meter::open()?;
    other.add(LARGE)?;
    other.add(LARGE)?;
    other.expect("average 4000000000\n")?;
    other.add(u32::MAX)?;
    other.expect("average 4147483647\n")?;
    patch.unload()?;
    other.add(LARGE)?;
    other.expect("average 1926258175\n")?;
    drop((meter, other));
    target.unload()
}

pub fn samples_add_a_field(_: &mut Context<'_>) -> Result<()> {
    let target = module::load("livepatch_meter", "")?;
    let mut early = Meter::open()?;
    early.add(90)?;
    // Load the patch twice, to detect fields that the first time left behind.
    for _ in 0..2 {
        let patch = Patch::load_module("livepatch_meter_largest", "")?;
        // The meter gets the field at its next reading.
        early.expect("average 90\n")?;
        early.add(90)?;
        early.expect("average 90\nlargest 90\n")?;
        let mut late = Meter::open()?;
        late.expect("average 0\n")?;
        for (reading, average, largest) in [(6, 6, 6), (2, 4, 6), (8, 6, 8)] {
            late.add(reading)?;
            late.expect(&format!("average {average}\nlargest {largest}\n"))?;
        }
        early.expect("average 90\nlargest 90\n")?;
        drop(late);
        patch.unload()?;
        early.expect("average 90\n")?;
    }
    drop(early);
    target.unload()
}

pub fn samples_replace_one_another(_: &mut Context<'_>) -> Result<()> {
    let library = module::library()?;
    let target = module::load("livepatch_meter", "")?;
    let fix = Patch::load_module("livepatch_meter_fix", "")?;
    let largest = Patch::load_module("livepatch_meter_largest", "")?;
    let mut meter = Meter::open()?;
    meter.add(4_000_000_000)?;
    meter.add(4_000_000_000)?;
    meter.expect("average 4000000000\nlargest 4000000000\n")?;
    let all = Patch::load_module("livepatch_meter_all", "")?;
    // The field has its value from the patch that has been unloaded.
    fix.unload()?;
    largest.unload()?;
    meter.expect("average 4000000000\nlargest 4000000000\n")?;
    meter.add(4_000_000_000)?;
    meter.expect("average 4000000000\nlargest 4000000000\nreadings 1\n")?;
    all.unload()?;
    meter.expect("average 4000000000\n")?;
    // No loaded patch uses the field, so its values have been freed.
    let largest = Patch::load_module("livepatch_meter_largest", "")?;
    meter.expect("average 4000000000\n")?;
    largest.unload()?;
    drop(meter);
    target.unload()?;
    library.unload()
}
