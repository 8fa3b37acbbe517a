// SPDX-License-Identifier: GPL-2.0

//! Tests failing block I/O on a RAM disk, by device and operation.

use std::path::Path;
use std::time::Duration;

use anyhow::{ensure, Result};

use crate::suite::{skip, Context};
use crate::sys::injector::Injector;
use crate::sys::{cmd, wait_for};

const DISK: &str = "/dev/ram0";
const READ: &str = "dd if=/dev/ram0 of=/dev/null bs=4096 count=1 iflag=direct";
const WRITE: &str = "dd if=/dev/zero of=/dev/ram0 bs=4096 count=1 oflag=direct conv=notrunc";

/// Runs `test` with a RAM disk; its argument is `MAJOR:MINOR`.
fn with_disk(test: impl FnOnce(&str) -> Result<()>) -> Result<()> {
    let modules = super::modules()?;
    if !Path::new(DISK).exists() && cmd::output("modprobe brd rd_nr=1 rd_size=4096")?.code != 0 {
        modules.unload()?;
        return skip("the kernel has no RAM disk");
    }
    wait_for("the RAM disk", Duration::from_secs(10), || {
        Ok(Path::new(DISK).exists().then_some(()))
    })?;
    let device = std::fs::read_to_string("/sys/block/ram0/dev")?;
    let result = test(device.trim());
    cmd::output("rmmod brd")?;
    result?;
    modules.unload()
}

fn expect(command: &str, error: Option<&str>) -> Result<()> {
    let output = cmd::output(command)?;
    let is_right = match error {
        None => output.code == 0,
        Some(error) => output.code != 0 && output.err.contains(error),
    };
    ensure!(is_right, "'{command}': expected {error:?}, got {output:?}");
    Ok(())
}

pub(super) fn bios_fail_when_they_are_submitted(_: &mut Context<'_>) -> Result<()> {
    with_disk(|device| {
        let place = format!("functions=bio_submit device={device} op=write status=nospc");
        let injector = Injector::armed(&place, "random 100 seed=1")?;
        expect(READ, None)?;
        expect(WRITE, Some("No space left on device"))?;
        let points = injector.points()?;
        ensure!(points.len() == 1, "{points:?}");
        ensure!(
            points[0].text("function")? == "submit_bio_noacct",
            "{points:?}"
        );
        ensure!(points[0].text("value")? == "status:nospc", "{points:?}");
        // The filter is for another device.
        injector.set("place functions=bio_submit device=4095:1")?;
        injector.set("arm random 100 seed=1")?;
        expect(WRITE, None)?;
        ensure!(injector.points()?.is_empty(), "{:?}", injector.points()?);
        drop(injector);
        expect(WRITE, None)
    })
}

pub(super) fn bios_complete_with_an_error(_: &mut Context<'_>) -> Result<()> {
    with_disk(|device| {
        let place = format!("functions=bio_complete device={device} op=read");
        let injector = Injector::armed(&place, "random 100 seed=1")?;
        expect(WRITE, None)?;
        expect(READ, Some("Input/output error"))?;
        let status = injector.status()?;
        ensure!(status.number::<u64>("failed")? >= 1, "{status:?}");
        injector.set("disarm")?;
        expect(READ, None)
    })
}
