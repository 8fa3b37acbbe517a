// SPDX-License-Identifier: GPL-2.0

//! Reads the number of rounds that the runner sets (`ROUNDS=` of `make`).

use anyhow::{Context, Result};

/// Returns the number of rounds that the runner sets, or `default` if it sets none.
///
/// # Errors
///
/// The variable is not a number.
pub fn or(default: u32) -> Result<u32> {
    let rounds = std::env::var("TACKLE_ROUNDS").unwrap_or_default();
    parse(&rounds, default)
}

fn parse(number: &str, default: u32) -> Result<u32> {
    if number.is_empty() {
        return Ok(default);
    }
    number
        .parse()
        .with_context(|| format!("TACKLE_ROUNDS={number} is not a number of rounds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_come_from_the_runner() {
        assert_eq!(parse("7", 3).unwrap(), 7);
        assert_eq!(parse("", 3).unwrap(), 3);
        let error = parse("many", 3).unwrap_err().to_string();
        assert!(error.contains("many"), "{error}");
    }
}
