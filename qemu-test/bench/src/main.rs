// SPDX-License-Identifier: GPL-2.0

//! Implements the program `tackle-bench`; see the library's documentation. The exit status is 0 for
//! success, 1 if a figure drifted, 2 if the command could not be executed, and 130 after an
//! interrupt.

use std::process::ExitCode;

use clap::Parser;
use tackle_bench::cli::Cli;
use tackle_qemu::ending::exit_code;

fn main() -> ExitCode {
    exit_code("tackle-bench", Cli::parse().run())
}
