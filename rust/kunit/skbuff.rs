// SPDX-License-Identifier: GPL-2.0

//! Tests packets in a qdisc: they stay in order, are counted, and are freed once.

use kernel::prelude::*;

#[kunit_tests(tackle_skbuff)]
mod tests {
    use crate::fifo::{Fifo, DEFAULT_LIMIT, DROPPED, DSFIELD, LET_GO, MARKED, WRONG_NOTES};
    use kernel::{prelude::*, sync::atomic::Relaxed};
    use tackle::{
        expect_eq,
        kunit::{packets, Ack, Counts, Packet, Standalone},
    };

    /// Creates a qdisc that holds packets of these lengths with the marks 0, 1, 2...
    fn queue(lengths: &[u16]) -> Result<Standalone<Fifo>> {
        let mut queue = Standalone::new(&mut Ack::new()?)?;
        for (mark, &len) in (0..).zip(lengths) {
            expect_eq!(queue.enqueue(Packet::new(len, mark)?), true);
        }
        Ok(queue)
    }

    /// Dequeues and frees the next packet, and returns its mark.
    fn next(queue: &mut Standalone<Fifo>) -> Option<u32> {
        queue.dequeue().map(|packet| packet.mark())
    }

    #[test]
    fn packets_leave_in_the_order_of_coming() -> Result {
        let mut queue = queue(&[100, 200, 300])?;
        expect_eq!(next(&mut queue), Some(0));
        queue.enqueue(Packet::new(50, 77)?);
        let rest: [_; 4] = core::array::from_fn(|_| next(&mut queue));
        expect_eq!(rest, [Some(1), Some(2), Some(77), None]);
        // A packet also passes through a queue that has become empty.
        queue.enqueue(Packet::new(50, 78)?);
        expect_eq!((next(&mut queue), next(&mut queue)), (Some(78), None));
        Ok(())
    }

    #[test]
    fn packets_and_bytes_are_counted() -> Result {
        let mut queue = queue(&[100, 200, 300])?;
        let mut counts = Counts {
            qlen: 3,
            backlog: 600,
            ..Counts::default()
        };
        expect_eq!(queue.counts(), counts);
        next(&mut queue);
        next(&mut queue);
        counts.qlen = 1;
        counts.backlog = 300;
        counts.packets = 2;
        counts.bytes = 300;
        expect_eq!(queue.counts(), counts);
        Ok(())
    }

    #[test]
    fn what_is_rejected_is_counted_and_freed() -> Result {
        let before = packets();
        let mut queue = queue(&[60; DEFAULT_LIMIT as usize])?;
        expect_eq!(queue.enqueue(Packet::new(60, 99)?), false);
        let counts = queue.counts();
        expect_eq!((counts.qlen, counts.drops), (DEFAULT_LIMIT, 1));
        expect_eq!(packets() - before, DEFAULT_LIMIT as i32);
        expect_eq!(next(&mut queue), Some(0));
        Ok(())
    }

    #[test]
    fn what_is_dropped_is_counted_and_freed() -> Result {
        let before = packets();
        let mut queue = queue(&[DROPPED, DROPPED, 70])?;
        expect_eq!(next(&mut queue), Some(2));
        let expected = Counts {
            packets: 1,
            bytes: 70,
            drops: 2,
            ..Counts::default()
        };
        expect_eq!(queue.counts(), expected);
        expect_eq!(packets(), before);
        Ok(())
    }

    #[test]
    fn what_is_let_go_of_is_freed() -> Result {
        let before = packets();
        let mut queue = queue(&[LET_GO, 70, LET_GO])?;
        expect_eq!(next(&mut queue), Some(1));
        expect_eq!(packets() - before, 1);
        expect_eq!(next(&mut queue), None);
        expect_eq!(packets(), before);
        let counts = queue.counts();
        expect_eq!((counts.qlen, counts.backlog, counts.packets), (0, 0, 1));
        Ok(())
    }

    #[test]
    fn what_is_peeked_at_stays() -> Result {
        let mut queue = queue(&[DROPPED, 200, 300])?;
        expect_eq!(queue.peek(), Some(1));
        expect_eq!(queue.peek(), Some(1));
        let counts = queue.counts();
        expect_eq!((counts.qlen, counts.backlog, counts.drops), (2, 500, 1));
        expect_eq!((next(&mut queue), next(&mut queue)), (Some(1), Some(2)));
        // The last packet that was peeked is counted at the next peek or dequeue.
        expect_eq!((queue.peek(), next(&mut queue)), (None, None));
        let counts = queue.counts();
        expect_eq!((counts.qlen, counts.backlog), (0, 0));
        expect_eq!((counts.packets, counts.bytes), (2, 500));
        Ok(())
    }

    #[test]
    fn a_note_stays_on_its_packet() -> Result {
        WRONG_NOTES.store(0, Relaxed);
        let mut queue = queue(&[100, DROPPED, 102, LET_GO, 104])?;
        while next(&mut queue).is_some() {}
        expect_eq!(WRONG_NOTES.load(Relaxed), 0);
        Ok(())
    }

    /// Enqueues a packet. Returns whether it could be marked, and its DS field before and after.
    fn marked(packet: Packet) -> Result<(bool, i32, i32)> {
        queue(&[])?.enqueue(packet);
        let [before, after] = &DSFIELD;
        Ok((
            MARKED.load(Relaxed),
            before.load(Relaxed),
            after.load(Relaxed),
        ))
    }

    #[test]
    fn only_what_speaks_ecn_is_marked() -> Result {
        // DSCP EF, with each of the four ECN fields: Not-ECT, ECT(1), ECT(0), CE.
        let ef = 0xb8;
        expect_eq!(marked(Packet::ipv4(100, 0, ef)?)?, (false, 0xb8, 0xb8));
        expect_eq!(marked(Packet::ipv4(100, 0, ef | 1)?)?, (true, 0xb9, 0xbb));
        expect_eq!(marked(Packet::ipv4(100, 0, ef | 2)?)?, (true, 0xba, 0xbb));
        expect_eq!(marked(Packet::ipv4(100, 0, ef | 3)?)?, (true, 0xbb, 0xbb));
        expect_eq!(marked(Packet::new(100, 0)?)?, (false, -1, -1));
        Ok(())
    }
}
