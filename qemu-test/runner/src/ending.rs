// SPDX-License-Identifier: GPL-2.0

//! Implements the exit status of the programs.

use std::process::ExitCode;

use anyhow::{Error, Result};

use crate::interrupt::Interrupted;

/// Returns the exit status of `program`: 0 for success, 1 for a failure, 2 for an error and 130 for
/// an interrupt. Errors and interrupts are printed to stderr.
pub fn exit_code(program: &str, outcome: Result<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{program}: {}", one_line(&error));
            ExitCode::from(if error.is::<Interrupted>() { 130 } else { 2 })
        }
    }
}

/// Returns the error with its causes in one line.
fn one_line(error: &Error) -> String {
    format!("{error:#}").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn an_error_is_one_line() {
        let outcome: Result<bool> = Err(Error::msg("a\nb")).context("cannot");
        assert_eq!(one_line(&outcome.unwrap_err()), "cannot: a b");
    }

    #[test]
    fn codes() {
        let code = |outcome| format!("{:?}", exit_code("test", outcome));
        let expected = |code: u8| format!("{:?}", ExitCode::from(code));
        assert_eq!(code(Ok(true)), expected(0));
        assert_eq!(code(Ok(false)), expected(1));
        assert_eq!(code(Err(Error::msg("no"))), expected(2));
        assert_eq!(code(Err(Interrupted.into())), expected(130));
    }
}
