// SPDX-License-Identifier: GPL-2.0

//! Implements a list of delays with percentiles.

use serde::Serialize;

/// Delays in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Delays(Vec<f64>);

impl Delays {
    /// Returns the number of delays.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the delays, sorted in ascending order.
    pub fn sorted(&self) -> &[f64] {
        &self.0
    }

    /// Returns the delay that `percent` of the packets did not exceed, by nearest rank. 0 gives
    /// the shortest delay. Returns NaN without packets.
    pub fn percentile(&self, percent: u32) -> f64 {
        let rank = (self.0.len() * percent as usize).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or(f64::NAN)
    }
}

impl FromIterator<f64> for Delays {
    fn from_iter<I: IntoIterator<Item = f64>>(delays: I) -> Self {
        let mut delays: Vec<_> = delays.into_iter().collect();
        delays.sort_by(f64::total_cmp);
        Self(delays)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let delays: Delays = [400.0, 20.0, 30.5].into_iter().collect();
        assert_eq!(delays.count(), 3);
        assert_eq!(delays.sorted(), [20.0, 30.5, 400.0]);
        assert_eq!(delays.percentile(0), 20.0);
        assert_eq!(delays.percentile(50), 30.5);
        assert_eq!(delays.percentile(95), 400.0);
        assert!(Delays::default().percentile(50).is_nan());
    }
}
