// SPDX-License-Identifier: GPL-2.0

//! The histogram of sojourn times, which users switch on and off.

use crate::{
    fault,
    net::{
        netlink::{Attributes, ExtAck, Nest},
        qdisc::{Details, UnlockedDetails},
    },
};
use kernel::{prelude::*, sync::Arc};
use tackle_core::codel::{
    attr::{HISTOGRAM, SOJOURN},
    SojournHistogram, Time,
};

/// How long the packets waited that a qdisc has sent, if its user wants to know. Off at
/// first.
///
/// The histogram is read without the lock of the qdisc.
#[derive(Default)]
pub struct Sojourn(Option<Arc<SojournHistogram>>);

impl Sojourn {
    /// Reads what a request says of it, with an empty histogram if it is to be on.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: neither 0 nor 1; `ack` says so.
    /// - `ENOMEM`.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn parse<const N: usize>(
        options: &Attributes<'_, N>,
        ack: &mut ExtAck<'_>,
    ) -> Result<Option<Self>> {
        match options.u8(HISTOGRAM) {
            None => Ok(None),
            Some(0) => Ok(Some(Self(None))),
            Some(1) => {
                fault::QDISC_HISTOGRAM_ALLOC.check()?;
                let histogram = Arc::new(SojournHistogram::new(), GFP_KERNEL)?;
                Ok(Some(Self(Some(histogram))))
            }
            Some(_) => {
                ack.set(c"Invalid histogram: allowed are 0 and 1");
                Err(EINVAL)
            }
        }
    }

    /// Does what a request says. One that is on already goes on with its counts.
    pub fn switch(&mut self, to: Option<Self>) {
        if let Some(to) = to {
            if self.0.is_none() || to.0.is_none() {
                *self = to;
            }
        }
    }

    /// Counts a packet that is sent after it has waited for `time`. While it is off, this is
    /// a comparison.
    #[inline]
    pub fn add(&self, time: Time) {
        if let Some(histogram) = &self.0 {
            add(histogram, time);
        }
    }

    /// Whether it is on.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// What [`Qdisc::unlocked_details`](crate::net::qdisc::Qdisc::unlocked_details) returns: the
    /// histogram, if it is on.
    pub fn details(&self) -> Option<Arc<dyn UnlockedDetails>> {
        Some(self.0.clone()?)
    }

    /// The histogram, if it is on.
    pub fn histogram(&self) -> Option<Arc<SojournHistogram>> {
        self.0.clone()
    }

    /// Writes the option if it is on.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` when the message is full.
    pub fn dump(&self, options: &mut Nest<'_>) -> Result {
        match self.0 {
            Some(_) => options.put_u8(HISTOGRAM, 1),
            None => Ok(()),
        }
    }
}

impl UnlockedDetails for SojournHistogram {
    fn put(&self, details: &mut Details) -> Result {
        details.put_u64s(SOJOURN, self.words())
    }
}

/// Apart from the packets' path while it is off, where it would take the registers of others.
#[cold]
#[inline(never)]
fn add(histogram: &SojournHistogram, time: Time) {
    histogram.add(time);
}
