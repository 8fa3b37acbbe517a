// SPDX-License-Identifier: GPL-2.0

//! Measures policies that place tasks and memory, in turn, in guests with several NUMA nodes. A
//! plug-in of QEMU counts memory accesses, and the guest's clock counts instructions.

use anyhow::Result;
use tackle_qemu::accel::Accel;
use tackle_qemu::kernel::Kernel;
use tackle_qemu::qemu::{Shape, Wires};
use tackle_qemu::session::Session;

use crate::course::curves;
use crate::guest::boot;
use crate::origin::Origin;
use crate::rounds::records;
use crate::source::{Measured, Source};
use crate::turns::cases;

/// The minimum number of rounds. It is low, because a round takes minutes.
const FEWEST: usize = 1;

/// The machines: the number of nodes, and the number of all CPUs. Machines with four nodes or more
/// have a backplane.
const MACHINES: [(u32, u32); 3] = [(2, 4), (4, 8), (8, 8)];

/// The source of figures of policies in guests of one kernel.
pub struct Placement<'a> {
    /// The session of the run.
    pub session: &'a Session,
    /// The kernel.
    pub kernel: &'a Kernel,
    /// The number of rounds; `None` for the guest's own number.
    pub rounds: Option<u32>,
}

impl Source for Placement<'_> {
    fn measure(&self, suites: &[&str]) -> Result<Measured> {
        let accel = Accel::Clocked;
        let booter = self.session.booter(accel, self.kernel, self.rounds)?;
        let origin = Origin::of_guest(self.kernel, accel)?;
        let mut measured = Measured::default();
        for (nodes, cpus) in MACHINES {
            let shape = Shape {
                nodes,
                cpus,
                wires: Wires::Backplane,
                ..booter.shape(self.kernel)
            };
            let what = format!("{nodes} nodes placement");
            let heard = boot(self.session, &booter, shape, suites, &what)?;
            for (key, unit, all) in cases(&heard.figures) {
                let records = records(&key, &unit, &all, FEWEST, &origin)?;
                measured.records.extend(records);
            }
            measured.skipped.extend(heard.skipped);
            measured.curves.extend(curves(&heard.courses)?);
        }
        Ok(measured)
    }
}
