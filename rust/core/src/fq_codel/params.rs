// SPDX-License-Identifier: GPL-2.0

//! What a user can set.

use crate::codel;
use core::num::NonZeroU32;

/// The bytes that a flow may send in a turn: from [`Quantum::MIN`] to [`Quantum::MAX`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quantum(u32);

impl Quantum {
    /// The least bytes in a turn.
    pub const MIN: u32 = 256;
    /// The most bytes in a turn: 1 MiB (`FQ_CODEL_QUANTUM_MAX`).
    pub const MAX: u32 = 1 << 20;

    /// What a user asks for. Less than the minimum means that; [`None`] for more than the
    /// maximum.
    pub fn new(bytes: u32) -> Option<Self> {
        (bytes <= Self::MAX).then_some(Quantum(bytes.max(Self::MIN)))
    }

    /// The bytes.
    #[inline]
    pub const fn bytes(self) -> u32 {
        self.0
    }
}

/// What a user can set. The number of flows is not among it, since it stays as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Params {
    /// The most packets that may wait. Default: 10,240.
    pub limit: u32,
    /// The most bytes of memory that the packets may take, at most
    /// [`Params::MEMORY_LIMIT_MAX`]. Default: 32 MiB.
    pub memory_limit: u32,
    /// The bytes that a flow may send in a turn. Default: the longest packet of the device.
    pub quantum: Quantum,
    /// The most packets that are dropped at once when there are too many. Default: 64.
    pub drop_batch: NonZeroU32,
    /// What all flows' CoDel share. Default: that of [`codel::Params`], but with ECN and
    /// an MTU.
    pub codel: codel::Params,
}

impl Params {
    /// More is taken for this: 2 GiB.
    pub const MEMORY_LIMIT_MAX: u32 = 1 << 31;

    /// The defaults for a device whose packets have up to `mtu` bytes, headers included.
    pub fn new(mtu: u32) -> Self {
        let mtu = mtu.min(Quantum::MAX);
        Params {
            limit: 10 * 1024,
            memory_limit: 32 << 20,
            quantum: Quantum(mtu.max(Quantum::MIN)),
            drop_batch: NonZeroU32::MIN.saturating_add(63),
            codel: codel::Params {
                ecn: true,
                mtu,
                ..codel::Params::default()
            },
        }
    }
}
