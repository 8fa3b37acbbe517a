// SPDX-License-Identifier: GPL-2.0

//! See the library's documentation. Exit status: 0 all well, 1 a test failed or
//! nothing ran, 2 the command could not be carried out, 130 interrupted.

use std::process::ExitCode;

use clap::Parser;
use tackle_qemu::cli::Cli;
use tackle_qemu::ending::exit_code;

fn main() -> ExitCode {
    exit_code("tackle-qemu", Cli::parse().run())
}
