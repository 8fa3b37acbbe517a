// SPDX-License-Identifier: GPL-2.0

//! Implements the program that runs inside the guest. It tests the modules and reports in KTAP. It
//! also measures and demonstrates them.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod bench;
mod clean;
mod demo;
mod ktap;
mod suite;
mod suites;
mod sys;
mod walk;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Test suites and demonstration of the tackle modules.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    word: Word,
}

#[derive(Subcommand)]
enum Word {
    /// Run suites and report in KTAP; without names, every ordinary suite
    Run {
        /// Names of suites, see `list`
        suites: Vec<String>,
    },
    /// Print the names of the ordinary suites, one a line
    List,
    /// Show the five systems at work
    Demo,
    /// Measure, and report figures as lines of JSON; without names, everything
    Bench {
        /// Names of benchmarks: hooks, qdisc, livepatch, numa, numa-placement, fault, qdisc-time,
        /// links, links-all
        suites: Vec<String>,
    },
    /// Put memory on one node, then use it from another (started by `run`)
    #[command(hide = true)]
    NumaWorker(sys::worker::Args),
    /// Touch memory that faults as NUMA balancing makes it (started by `bench`)
    #[command(hide = true)]
    NumaToucher,
    /// Use memory at a fixed address, whose accesses are counted (started by `run` and `bench`)
    #[command(hide = true)]
    NumaPlacement(sys::placement::worker::Args),
    /// Send random netlink messages (started by `run`; by hand to repeat a seed)
    #[command(hide = true)]
    NetlinkFuzz(suites::netlink_fuzz::worker::Args),
}

fn main() -> ExitCode {
    let outcome = match Args::parse().word {
        Word::Run { suites } => suite::run(&suites),
        Word::List => {
            suite::ordinary().for_each(|suite| println!("{}", suite.name));
            Ok(true)
        }
        Word::Demo => demo::run(),
        Word::Bench { suites } => bench::run(&suites),
        Word::NumaWorker(args) => sys::worker::work(&args).map(|()| true),
        Word::NumaToucher => bench::toucher::work().map(|()| true),
        Word::NumaPlacement(args) => sys::placement::worker::work(&args).map(|()| true),
        Word::NetlinkFuzz(args) => suites::netlink_fuzz::worker::work(&args).map(|()| true),
    };
    report(outcome)
}

/// Returns the exit status: 0 for success, 1 if a test failed, 2 if the program could not do its
/// work.
fn report(outcome: Result<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tackle-guest: {error:#}");
            ExitCode::from(2)
        }
    }
}
