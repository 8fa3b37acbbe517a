// SPDX-License-Identifier: GPL-2.0

//! What the comparisons with the C originals share.

use proptest::test_runner::{Config, RngAlgorithm, TestRng};
use std::io::Write;
use std::process::{Command, Stdio};

/// Runs the program that build.rs made of the original, and returns what it answers.
pub fn answers(program: Option<&str>, input: Vec<u8>) -> Vec<u8> {
    let Some(program) = program else {
        panic!("built without TACKLE_KERNEL_SRC");
    };
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the harness runs");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    // Written beside, or both sides wait with a full pipe each.
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("the harness ends");
    let written = writer.join().expect("the writer does not panic");
    assert!(output.status.success(), "the harness: {}", output.status);
    written.expect("the harness reads all events");
    output.stdout
}

/// For traces that are the same in each run.
pub fn rng(seed: u8) -> TestRng {
    TestRng::from_seed(RngAlgorithm::XorShift, &[seed | 0x40; 16])
}

/// For small traces that differ from run to run.
pub fn config() -> Config {
    Config {
        cases: 500,
        failure_persistence: None,
        ..Config::default()
    }
}
