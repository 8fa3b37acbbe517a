// SPDX-License-Identifier: GPL-2.0

//! Defines the parameters that a user can set.

use crate::codel;
use core::num::NonZeroU32;

/// The number of bytes that a flow may send in a turn, from [`Quantum::MIN`] to [`Quantum::MAX`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quantum(u32);

impl Quantum {
    /// The minimum number of bytes in a turn.
    pub const MIN: u32 = 256;
    /// The maximum number of bytes in a turn: 1 MiB (`FQ_CODEL_QUANTUM_MAX`).
    pub const MAX: u32 = 1 << 20;

    /// Converts the number that a user has set. A smaller number than the minimum becomes the
    /// minimum. Returns [`None`] if it is above the maximum.
    pub fn new(bytes: u32) -> Option<Self> {
        (bytes <= Self::MAX).then_some(Quantum(bytes.max(Self::MIN)))
    }

    /// Returns the number of bytes.
    #[inline]
    pub const fn bytes(self) -> u32 {
        self.0
    }
}

/// The parameters that a user can set. The number of flows is none, since it cannot be changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Params {
    /// The maximum number of queued packets. Default: 10,240.
    pub limit: u32,
    /// The maximum number of bytes of memory that the packets may take, at most
    /// [`Params::MEMORY_LIMIT_MAX`]. Default: 32 MiB.
    pub memory_limit: u32,
    /// The number of bytes that a flow may send in a turn. Default: the longest packet of the
    /// device.
    pub quantum: Quantum,
    /// The maximum number of packets that are dropped at once if there are too many. Default: 64.
    pub drop_batch: NonZeroU32,
    /// The parameters of CoDel, which all flows share. Default: those of [`codel::Params`], but
    /// with ECN and an MTU.
    pub codel: codel::Params,
}

impl Params {
    /// The maximum of `memory_limit`: 2 GiB. A user's larger value is reduced to it.
    pub const MEMORY_LIMIT_MAX: u32 = 1 << 31;

    /// Returns the defaults for a device whose packets have up to `mtu` bytes, headers included.
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
