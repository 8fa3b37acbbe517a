// SPDX-License-Identifier: GPL-2.0

//! One round of one subject: the nanoseconds of a call, for whoever lets subjects take
//! turns (`make bench SUITE=core`).
//!
//! ```text
//! rounds                 the cases, one a line, each with its subjects
//! rounds CASE SUBJECT    a round
//! ```
//!
//! The subject `c` is a program of its own, made of the kernel's headers where
//! `TACKLE_KERNEL_SRC` names a kernel source; it takes the time itself.

mod work;

use std::env;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// Some milliseconds: less than the time after which another process may have its turn.
const CALLS: u32 = 200_000;

/// Of so many times, the first of which warms up, the least is a round's.
const TIMES: u32 = 20;

fn main() -> ExitCode {
    // Cargo adds an option of its own.
    let words: Vec<_> = env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let ns = match words[..] {
        [] => {
            list();
            return ExitCode::SUCCESS;
        }
        [case, "rust"] => rust(case),
        [case, "c"] => c(case),
        _ => None,
    };
    match ns {
        Some(ns) => {
            println!("{}", ns / f64::from(CALLS));
            ExitCode::SUCCESS
        }
        None => {
            eprintln!(
                "rounds: cannot measure {}; without arguments it lists what it can",
                words.join(" ")
            );
            ExitCode::from(2)
        }
    }
}

fn list() {
    for work in work::ALL {
        let peer = if c_program(work.name).is_some() {
            "c "
        } else {
            ""
        };
        println!("{} {peer}rust", work.name);
    }
}

fn rust(case: &str) -> Option<f64> {
    let work = work::ALL.into_iter().find(|work| work.name == case)?;
    let time = |_| {
        let start = Instant::now();
        (work.run)(CALLS);
        start.elapsed().as_nanos()
    };
    (0..TIMES).map(time).min().map(|ns| ns as f64)
}

fn c(case: &str) -> Option<f64> {
    let program = c_program(case)?;
    let output = Command::new(program)
        .args([case, &CALLS.to_string(), &TIMES.to_string()])
        .output();
    let output = output
        .inspect_err(|error| eprintln!("rounds: {program}: {error}"))
        .ok()?;
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

/// The program with the C original of a case.
fn c_program(case: &str) -> Option<&'static str> {
    option_env!("CODEL_ROUNDS").filter(|_| case.starts_with("codel-"))
}
