// SPDX-License-Identifier: GPL-2.0

//! Queueing disciplines: those of a device, as `tc` shows them, and what they do to those who
//! share a link.

pub mod picture;
pub mod probe;
pub mod sample;
pub mod screen;
pub mod watch;

use std::io::{stdout, IsTerminal};
use std::time::Duration;

use anyhow::Result;
use clap::Subcommand;

use crate::cli::interval;
use crate::roots::Roots;
use crate::table::{json, say};
use sample::Device;

/// What can be done with queueing disciplines.
#[derive(Debug, Subcommand)]
pub enum QdiscCommand {
    /// Watch the delay, the drops and the rate of CoDel's queues
    Watch {
        /// The device
        #[arg(value_name = "DEV")]
        device: String,
        /// Print it once
        #[arg(long)]
        once: bool,
        /// Print it once, as JSON
        #[arg(long, conflicts_with = "once")]
        json: bool,
        /// From one look to the next
        #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
        interval: Duration,
    },
    /// Load a slow link, and measure how long others have to wait
    Probe(probe::Request),
}

impl QdiscCommand {
    /// Carries the command out.
    ///
    /// # Errors
    /// There is no such device, or it has no such queue, or `tc` cannot show it; of a probe,
    /// those of [`probe::Request::run`].
    pub fn run(self, roots: &Roots) -> Result<()> {
        match self {
            Self::Probe(request) => request.run(),
            Self::Watch {
                device,
                once,
                json: as_json,
                interval,
            } => {
                let device = Device::new(roots, &device)?;
                if as_json {
                    json(&device.queues()?)
                } else if once || !stdout().is_terminal() {
                    let rows = watch::rows(device.queues()?, &[], None);
                    rows.iter().for_each(|row| say(&watch::plain(row)));
                    Ok(())
                } else {
                    watch::picture(&device, interval)
                }
            }
        }
    }
}
