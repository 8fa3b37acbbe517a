// SPDX-License-Identifier: GPL-2.0

//! Implements the program `tackle-qemu`; see the library's documentation. The exit status is 0 for
//! success, 1 if a test failed or nothing ran, 2 if the command could not be executed, and 130
//! after an interrupt.

use std::process::ExitCode;

use clap::Parser;
use tackle_qemu::cli::Cli;
use tackle_qemu::ending::exit_code;

fn main() -> ExitCode {
    exit_code("tackle-qemu", Cli::parse().run())
}
