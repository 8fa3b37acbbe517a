// SPDX-License-Identifier: GPL-2.0

//! See the library's documentation. Exit status: 0 all well, 1 a figure drifted,
//! 2 the command could not be carried out, 130 interrupted.

use std::process::ExitCode;

use clap::Parser;
use tackle_bench::cli::Cli;
use tackle_qemu::interrupt::Interrupted;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            // One line, whatever the causes have to say.
            let text = format!("{error:#}").replace('\n', " ");
            eprintln!("tackle-bench: {text}");
            ExitCode::from(if error.is::<Interrupted>() { 130 } else { 2 })
        }
    }
}
