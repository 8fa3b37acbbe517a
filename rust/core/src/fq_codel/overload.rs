// SPDX-License-Identifier: GPL-2.0

//! Implements the drops when there are too many packets.

use super::{Enqueue, Enqueued, Flow, FqCodel, Reduction};
use core::ops::DerefMut;

impl<L, F, B> FqCodel<F, B>
where
    F: DerefMut<Target = [Flow<L>]>,
    B: DerefMut<Target = [u32]>,
{
    /// Drops packets, since a packet of `len` bytes in the flow `index` has exceeded a limit.
    #[cold]
    #[inline(never)]
    pub(super) fn drop_overload<P: Enqueue<List = L>>(
        &mut self,
        packets: &mut P,
        index: usize,
        len: u32,
    ) -> Enqueued {
        // This must be checked before the drops, after which the memory may be within its limit.
        let over_memory = self.memory_usage > self.params.memory_limit;
        let (fattest, mut dropped) = self.drop_from_fattest(packets);
        // CAST: The number of packets is not negative.
        let count = dropped.packets as u32;
        self.drop_overlimit = self.drop_overlimit.wrapping_add(count);
        if over_memory {
            self.drop_overmemory = self.drop_overmemory.wrapping_add(count);
        }
        if fattest != index {
            return Enqueued::Dropped(dropped);
        }
        dropped.add(-1, len.wrapping_neg());
        Enqueued::Congested(dropped)
    }

    /// Drops up to half of the longest backlog from its head, but at most a batch. Returns the
    /// index of its flow, and the dropped packets.
    ///
    /// Of equal backlogs, that of the first flow is selected.
    fn drop_from_fattest<P: Enqueue<List = L>>(&mut self, packets: &mut P) -> (usize, Reduction) {
        // Two short loops are faster than one loop that also tracks the index.
        let longest = self.backlogs.iter().copied().max().unwrap_or(0);
        let fattest = self.backlogs.iter().position(|bytes| *bytes == longest);
        let fattest = fattest.unwrap_or(0);
        let mut dropped = Reduction::default();
        let (Some(flow), Some(backlog)) =
            (self.flows.get_mut(fattest), self.backlogs.get_mut(fattest))
        else {
            return (fattest, dropped);
        };

        let threshold = longest >> 1;
        let (mut count, mut len) = (0u32, 0u32);
        // The longest backlog has a packet, unless all packets have the length 0.
        while let Some(packet) = packets.pop(&mut flow.packets) {
            count = count.wrapping_add(1);
            len = len.wrapping_add(P::len(&packet));
            self.memory_usage = self.memory_usage.wrapping_sub(P::note(&packet).memory);
            packets.drop(packet);
            if count >= self.params.drop_batch.get() || len >= threshold {
                break;
            }
        }
        *backlog = backlog.wrapping_sub(len);
        // This makes CoDel drop more often as well.
        flow.vars.count = flow.vars.count.wrapping_add(count);
        dropped.add(count as i32, len);
        (fattest, dropped)
    }
}
