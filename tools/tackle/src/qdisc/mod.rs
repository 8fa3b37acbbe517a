// SPDX-License-Identifier: GPL-2.0

//! Implements `tackle qdisc`: watches the queues of a device, and measures the effects of queueing
//! disciplines on a slow link.

pub mod device;
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
use crate::netlink::Netlink;
use crate::table::{json, say};
use device::Device;

/// What can be done with queueing disciplines.
#[derive(Debug, Subcommand)]
pub enum QdiscCommand {
    /// Watch the delay, the drops and the rate of queues of the CoDel family
    Watch {
        /// The device, by its name or an alternative name
        #[arg(value_name = "DEV")]
        device: String,
        /// Print it once
        #[arg(long)]
        once: bool,
        /// Print it once, as JSON
        #[arg(long, conflicts_with = "once")]
        json: bool,
        /// The time between two readings
        #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
        interval: Duration,
    },
    /// Load a slow link, and measure the delay of other packets
    Probe(probe::Request),
}

impl QdiscCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// Returns the errors of [`Device::new`], [`Device::queues`] and [`probe::Request::run`].
    pub fn run(self) -> Result<()> {
        match self {
            Self::Probe(request) => request.run(),
            Self::Watch {
                device,
                once,
                json: as_json,
                interval,
            } => {
                let device = Device::new(Netlink::open()?, &device)?;
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
