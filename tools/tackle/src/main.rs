// SPDX-License-Identifier: GPL-2.0

//! See the library's documentation. Exit status: 0 all well, 1 the command could not be
//! carried out, 2 the command line is wrong.

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
