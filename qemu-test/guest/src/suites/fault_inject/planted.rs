// SPDX-License-Identifier: GPL-2.0

//! Tests operations with planted defects, and their repaired twins. Without a fault both succeed.
//! The twins handle every fault.

use anyhow::{ensure, Context as _, Result};
use nix::errno::Errno;

use crate::suite::Context;
use crate::sys::injector::Injector;
use crate::sys::{debugfs, module};

/// A number that is larger than the number of points of any operation.
const MANY: u32 = 200;

fn operations(module: &str) -> Result<Vec<String>> {
    let list = debugfs::read(format!("/sys/kernel/debug/{module}/operations"))?;
    let operations: Vec<_> = list.lines().map(String::from).collect();
    ensure!(operations.len() >= 20, "{module} has {operations:?}");
    Ok(operations)
}

pub(super) fn repaired_operations_take_every_fault(context: &mut Context<'_>) -> Result<()> {
    let modules = super::modules()?;
    for name in ["fault_planted", "fault_repaired"] {
        let rig = module::load(name, "")?;
        let run = format!("/sys/kernel/debug/{name}/run");
        for operation in operations(name)? {
            for _ in 0..2 {
                debugfs::write(&run, &operation)?
                    .with_context(|| format!("{name}: {operation} without a fault"))?;
            }
        }
        rig.unload()?;
    }
    let rig = module::load("fault_repaired", "")?;
    let run = "/sys/kernel/debug/fault_repaired/run";
    let injector = Injector::open()?;
    injector.set("place module=fault_repaired context=stack")?;
    let mut faults = 0;
    for operation in operations("fault_repaired")? {
        let mut number = 1;
        loop {
            ensure!(number < MANY, "{operation} has no end");
            injector.set(&format!("arm nth {number}"))?;
            let answer = debugfs::write(run, &operation)?;
            injector.set("disarm")?;
            if injector.status()?.number::<u32>("failed")? == 0 {
                answer.with_context(|| format!("{operation} without a fault"))?;
                break;
            }
            // A function may repeat a failed allocation and succeed.
            ensure!(
                matches!(answer, Ok(()) | Err(Errno::ENOMEM)),
                "{operation}, fault {number}: {answer:?}"
            );
            debugfs::write(run, &operation)?
                .with_context(|| format!("{operation} after fault {number}"))?;
            faults += 1;
            number += 1;
        }
    }
    context.note(format!(
        "fault_inject: {faults} faults in the repaired operations"
    ))?;
    drop(injector);
    rig.unload()?;
    modules.unload()
}
