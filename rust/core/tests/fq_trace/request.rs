// SPDX-License-Identifier: GPL-2.0

//! The options of a request, as a qdisc would read them, and those that it reports.

use super::play::Answer;
use std::num::NonZeroU32;
use tackle_core::codel::Time;
use tackle_core::fq_codel::{Params, Quantum, MAX_FLOWS};

/// The attributes, each there or not; in the order of their numbers from 1 on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Options {
    /// In microseconds, as the other times.
    pub target: Option<u32>,
    pub limit: Option<u32>,
    pub interval: Option<u32>,
    pub ecn: Option<u32>,
    pub flows: Option<u32>,
    pub quantum: Option<u32>,
    pub ce_threshold: Option<u32>,
    pub drop_batch: Option<u32>,
    pub memory_limit: Option<u32>,
    pub ce_threshold_selector: Option<u32>,
    pub ce_threshold_mask: Option<u32>,
}

/// The request is refused.
pub const EINVAL: u32 = -22i32 as u32;

impl Options {
    /// The words of the harness's OPTIONS.
    pub fn words(&self) -> impl Iterator<Item = u32> {
        let values = [
            self.target,
            self.limit,
            self.interval,
            self.ecn,
            self.flows,
            self.quantum,
            self.ce_threshold,
            self.drop_batch,
            self.memory_limit,
            self.ce_threshold_selector,
            self.ce_threshold_mask,
        ];
        let bits = values
            .iter()
            .enumerate()
            .map(|(i, value)| u32::from(value.is_some()) << (i + 1));
        std::iter::once(bits.sum()).chain(values.map(Option::unwrap_or_default))
    }

    /// How many flows a new qdisc has.
    pub fn flows_cnt(&self) -> Result<usize, u32> {
        let flows = self.flows.unwrap_or(1024) as usize;
        if flows == 0 || flows > MAX_FLOWS {
            return Err(EINVAL);
        }
        Ok(flows)
    }

    /// Sets what the request sets.
    pub fn apply(&self, params: Params) -> Result<Params, u32> {
        let mut new = params;
        if let Some(quantum) = self.quantum {
            new.quantum = Quantum::new(quantum).ok_or(EINVAL)?;
        }
        new.limit = self.limit.unwrap_or(params.limit);
        if let Some(drop_batch) = self.drop_batch {
            new.drop_batch = NonZeroU32::new(drop_batch).unwrap_or(NonZeroU32::MIN);
        }
        if let Some(memory_limit) = self.memory_limit {
            new.memory_limit = memory_limit.min(Params::MEMORY_LIMIT_MAX);
        }
        let codel = &mut new.codel;
        codel.target = self.target.map_or(codel.target, Time::from_us);
        codel.interval = self.interval.map_or(codel.interval, Time::from_us);
        codel.ce_threshold = self.ce_threshold.map_or(codel.ce_threshold, Time::from_us);
        codel.ecn = self.ecn.map_or(codel.ecn, |ecn| ecn != 0);
        if let Some(selector) = self.ce_threshold_selector {
            codel.ce_threshold_selector = selector as u8;
        }
        if let Some(mask) = self.ce_threshold_mask {
            codel.ce_threshold_mask = mask as u8;
        }
        Ok(new)
    }
}

/// Reports the options in force, as `fq_codel_dump()` does.
pub fn dump(params: &Params, flows_cnt: u32, out: &mut Answer) {
    let codel = &params.codel;
    let mut put = |kind: u32, value: u32| {
        out.push("attribute", kind);
        out.push("its value", value);
    };
    put(1, codel.target.to_us());
    put(2, params.limit);
    put(3, codel.interval.to_us());
    put(4, codel.ecn.into());
    put(6, params.quantum.bytes());
    put(8, params.drop_batch.get());
    put(9, params.memory_limit);
    put(5, flows_cnt);
    if codel.ce_threshold != Time::DISABLED {
        put(7, codel.ce_threshold.to_us());
        put(10, codel.ce_threshold_selector.into());
        put(11, codel.ce_threshold_mask.into());
    }
}
