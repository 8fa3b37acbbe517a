// SPDX-License-Identifier: GPL-2.0

//! Defines the sources of records: each means of measuring is a [`Source`].

use anyhow::{Context, Result};
use tackle_qemu::accel::Accel;
use tackle_qemu::kernel::Kernel;
use tackle_qemu::session::Session;

use crate::curves::Curves;
use crate::guest::Guest;
use crate::host::Host;
use crate::placement::Placement;
use crate::record::{Drift, Record, Skipped};
use crate::simulation::Simulation;
use crate::subject::{Means, Suite};
use crate::turns::Turns;

/// The results of a source.
#[derive(Debug, Default)]
pub struct Measured {
    /// The records.
    pub records: Vec<Record>,
    /// The records that should be the same in each boot, but differ.
    pub drifts: Vec<Drift>,
    /// The figures that could not be measured.
    pub skipped: Vec<Skipped>,
    /// Curves of some cases.
    pub curves: Vec<Curves>,
}

impl Measured {
    fn add(&mut self, other: Measured) {
        self.records.extend(other.records);
        self.drifts.extend(other.drifts);
        self.skipped.extend(other.skipped);
        self.curves.extend(other.curves);
    }
}

/// A means of measuring.
pub trait Source {
    /// Measures the suites with these names.
    ///
    /// # Errors
    /// Fails when the host or the guest cannot measure, and with
    /// [`Interrupted`](tackle_qemu::interrupt::Interrupted) when the user interrupts.
    fn measure(&self, suites: &[&str]) -> Result<Measured>;
}

/// Measures suites in their order, each by its means, on `kernel` or on `uml`. `rounds` is the
/// number of rounds for policies of NUMA placement; `None` for the guest's own number.
///
/// # Errors
/// The errors are those of [`Source::measure`].
pub fn measure(
    session: &Session,
    kernel: &Kernel,
    uml: Option<&Kernel>,
    suites: &[&'static Suite],
    rounds: Option<u32>,
) -> Result<Measured> {
    let mut measured = Measured::default();
    // Suites with the same means are measured in the same boots.
    for group in suites.chunk_by(|a, b| a.means == b.means) {
        let names: Vec<_> = group.iter().map(|suite| suite.name).collect();
        let source: &dyn Source = match group[0].means {
            Means::Guest => &Guest {
                session,
                kernel,
                nodes: 1,
            },
            Means::GuestNodes => &Guest {
                session,
                kernel,
                nodes: 2,
            },
            Means::Placement => &Placement {
                session,
                kernel,
                rounds,
            },
            Means::Simulation => &Simulation { session, kernel },
            Means::Host => &Host { session, kernel },
            Means::GuestTurns => &Turns {
                session,
                kernel,
                accel: Accel::Icount,
            },
            Means::Uml => &Turns {
                session,
                kernel: uml.with_context(|| format!("{} needs --uml", names.join(", ")))?,
                accel: Accel::Uml,
            },
            Means::TimeTravel => &Turns {
                session,
                kernel: uml.with_context(|| format!("{} needs --uml", names.join(", ")))?,
                accel: Accel::TimeTravel,
            },
        };
        measured.add(source.measure(&names)?);
    }
    Ok(measured)
}
