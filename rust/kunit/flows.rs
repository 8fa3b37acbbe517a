// SPDX-License-Identifier: GPL-2.0

//! Tests qdiscs that keep their packets in lists of their own.

use kernel::prelude::*;
use tackle::net::{
    codel::Xstats,
    netlink::{ExtAck, Nest, Nested},
    qdisc::{Change, Dequeue, Enqueue, Outcome, Qdisc, Reset, Sch, Setup},
    DropReason, SkBuff, SkbList,
};

/// The limit, in packets.
const LIMIT: u32 = 4;
/// The length of a packet that the qdisc rejects. It then also drops a packet from the list `even`.
const REJECTED: u32 = 101;
/// The length of packets in the list `odd`, which `reset` does not empty.
const FORGOTTEN: u32 = 103;

/// Lists for packets of even and of odd length. Packets of even length are sent first.
struct Lists<'q> {
    even: SkbList<'q>,
    odd: SkbList<'q>,
}

struct ByLength;

#[vtable]
impl Qdisc for ByLength {
    const ID: &'static CStr = c"kunit_by_length";
    type State<'q> = Lists<'q>;
    type Config = ();
    type Stats = Xstats;

    fn parse(_options: Nested<'_>, _ack: &mut ExtAck<'_>) -> Result {
        Ok(())
    }

    fn init<'q>(_config: (), setup: &mut Setup<'_>) -> impl PinInit<Lists<'q>, Error> {
        setup.set_limit(LIMIT);
        Ok(Lists {
            even: SkbList::new(),
            odd: SkbList::new(),
        })
    }

    fn enqueue<'q, 'call>(
        state: Pin<&mut Lists<'q>>,
        sch: &mut Enqueue<'q, 'call>,
        packet: SkBuff<'call>,
    ) -> Outcome<'call> {
        let Lists { even, odd } = state.get_mut();
        if packet.len() == REJECTED {
            if let Some(other) = sch.pop_from(even) {
                sch.drop(other, DropReason::OverLimit);
            }
            return sch.reject(packet, DropReason::OverLimit);
        }
        let list = if packet.len() % 2 == 0 {
            &mut *even
        } else {
            odd
        };
        let outcome = sch.push_to(list, packet);
        if sch.qlen() > sch.limit() {
            if let Some(packet) = sch.pop_from(even) {
                sch.drop(packet, DropReason::OverLimit);
            }
        }
        outcome
    }

    fn dequeue<'q, 'call>(
        state: Pin<&mut Lists<'q>>,
        sch: &mut Dequeue<'q, 'call>,
    ) -> Option<SkBuff<'call>> {
        let Lists { even, odd } = state.get_mut();
        sch.pop_from(even).or_else(|| sch.pop_from(odd))
    }

    fn is_idle(_state: &Lists<'_>, sch: &Sch) -> bool {
        sch.qlen() == 0
    }

    fn change<'q>(_state: Pin<&mut Lists<'q>>, _sch: &mut Change<'q, '_>, _config: ()) {}

    fn reset<'q>(state: Pin<&mut Lists<'q>>, sch: &mut Reset<'q>) {
        // Does not purge the list `odd`: this is the error that a test needs.
        sch.purge(&mut state.get_mut().even);
    }

    fn dump(_state: &Lists<'_>, _sch: &Sch, _options: &mut Nest<'_>) -> Result {
        Ok(())
    }

    fn stats(state: &Lists<'_>, _sch: &Sch) -> Xstats {
        Xstats {
            count: state.even.count(),
            lastcount: state.odd.count(),
            ..Xstats::default()
        }
    }
}

#[kunit_tests(tackle_flows)]
mod tests {
    use super::{ByLength, FORGOTTEN, REJECTED};
    use kernel::prelude::*;
    use tackle::{
        expect_eq,
        kunit::{packets, Ack, Packet, Standalone},
    };

    fn queue(lengths: &[u32]) -> Result<Standalone<ByLength>> {
        let mut queue = Standalone::new(&mut Ack::new()?)?;
        for (mark, &len) in (0..).zip(lengths) {
            queue.enqueue(Packet::new(len as u16, mark)?);
        }
        Ok(queue)
    }

    fn next(queue: &mut Standalone<ByLength>) -> Option<u32> {
        queue.dequeue().map(|packet| packet.mark())
    }

    /// Returns the packets and bytes in the queue, and the packets that were dropped.
    fn counts(queue: &Standalone<ByLength>) -> (u32, u32, u32) {
        let counts = queue.counts();
        (counts.qlen, counts.backlog, counts.drops)
    }

    #[test]
    fn each_list_is_first_in_first_out() -> Result {
        let mut queue = queue(&[51, 100, 53, 102])?;
        expect_eq!(counts(&queue), (4, 306, 0));
        let all: [_; 5] = core::array::from_fn(|_| next(&mut queue));
        expect_eq!(all, [Some(1), Some(3), Some(0), Some(2), None]);
        expect_eq!(counts(&queue), (0, 0, 0));
        // A packet also passes through lists that have become empty.
        queue.enqueue(Packet::new(100, 9)?);
        expect_eq!((next(&mut queue), next(&mut queue)), (Some(9), None));
        expect_eq!(queue.counts().bytes, 406);
        Ok(())
    }

    #[test]
    fn what_an_enqueue_drops_is_counted_and_freed() -> Result {
        let before = packets();
        let mut queue = queue(&[100, 51, 102, 53, 55])?;
        expect_eq!(counts(&queue), (4, 261, 1));
        expect_eq!(packets() - before, 4);
        expect_eq!(queue.enqueue(Packet::new(REJECTED as u16, 9)?), false);
        expect_eq!(counts(&queue), (3, 159, 3));
        expect_eq!(packets() - before, 3);
        expect_eq!(next(&mut queue), Some(1));
        Ok(())
    }

    #[test]
    fn a_peeked_packet_waits_in_front() -> Result {
        let mut queue = queue(&[51, 53])?;
        expect_eq!(queue.peek(), Some(0));
        queue.enqueue(Packet::new(100, 7)?);
        expect_eq!(counts(&queue), (3, 204, 0));
        let all: [_; 4] = core::array::from_fn(|_| next(&mut queue));
        expect_eq!(all, [Some(0), Some(7), Some(1), None]);
        Ok(())
    }

    #[test]
    fn a_list_that_is_not_purged_gives_nothing_any_more() -> Result {
        let before = packets();
        let mut queue = queue(&[100, FORGOTTEN, FORGOTTEN])?;
        queue.reset();
        expect_eq!(packets() - before, 2);
        expect_eq!(counts(&queue), (0, 0, 3));
        expect_eq!(next(&mut queue), None);
        queue.enqueue(Packet::new(51, 9)?);
        expect_eq!((queue.peek(), next(&mut queue)), (None, None));
        expect_eq!(counts(&queue), (0, 0, 4));
        drop(queue);
        expect_eq!(packets(), before);
        Ok(())
    }
}
