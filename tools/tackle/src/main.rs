// SPDX-License-Identifier: GPL-2.0

//! Runs the command `tackle`; see the library's documentation. The exit status is 0 if the command
//! succeeded, 1 if it failed, and 2 if the command line is wrong.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use tackle_cli::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tackle: {}", format!("{error:#}").replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}
