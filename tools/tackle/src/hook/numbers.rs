// SPDX-License-Identifier: GPL-2.0

//! Formats times and rates for people.

/// Formats a time in nanoseconds with three digits and a fitting unit.
pub fn time(ns: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];
    for (unit, size) in UNITS {
        if ns >= size {
            let value = ns as f64 / size as f64;
            // Powers of two, the limits of histogram buckets, become numbers such as 1.02 and
            // 65.5.
            return match value {
                value if value < 10.0 => format!("{value:.2} {unit}"),
                value if value < 100.0 => format!("{value:.1} {unit}"),
                value => format!("{value:.0} {unit}"),
            };
        }
    }
    format!("{ns} ns")
}

/// Formats a rate in calls per second.
pub fn rate(rate: Option<f64>) -> String {
    rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let times = [0, 999, 1_024, 65_536, 524_288, 1 << 30].map(time);
        assert_eq!(
            times,
            ["0 ns", "999 ns", "1.02 us", "65.5 us", "524 us", "1.07 s"]
        );
    }
}
