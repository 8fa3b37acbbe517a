// SPDX-License-Identifier: GPL-2.0

//! Implements the histogram of sojourn times of a qdisc, which users switch on and off.

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

/// The histogram of the times that packets of a qdisc have waited before they were sent. It is off
/// by default.
///
/// The histogram is read without the lock of the qdisc.
#[derive(Default)]
pub struct Sojourn(Option<Arc<SojournHistogram>>);

impl Sojourn {
    /// Reads the option of a request. Makes an empty histogram if the option switches it on.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the option is neither 0 nor 1. This sets a message in `ack`.
    /// - `ENOMEM`: there is no memory for the histogram.
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

    /// Applies the option of a request. A histogram that is on already and stays on keeps its
    /// counts.
    pub fn switch(&mut self, to: Option<Self>) {
        if let Some(to) = to {
            if self.0.is_none() || to.0.is_none() {
                *self = to;
            }
        }
    }

    /// Counts a packet that is sent after it has waited for `time`. While the histogram is off,
    /// this only costs a comparison.
    #[inline]
    pub fn add(&self, time: Time) {
        if let Some(histogram) = &self.0 {
            add(histogram, time);
        }
    }

    /// Returns whether the histogram is on.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the histogram, if it is on, as the result of
    /// [`Qdisc::unlocked_details`](crate::net::qdisc::Qdisc::unlocked_details).
    pub fn details(&self) -> Option<Arc<dyn UnlockedDetails>> {
        Some(self.0.clone()?)
    }

    /// Returns the histogram, if it is on.
    pub fn histogram(&self) -> Option<Arc<SojournHistogram>> {
        self.0.clone()
    }

    /// Writes the option if the histogram is on.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE`: the message is full.
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

/// Not inlined: while the histogram is off, the path of the packets should not need registers for
/// this.
#[cold]
#[inline(never)]
fn add(histogram: &SojournHistogram, time: Time) {
    histogram.add(time);
}
