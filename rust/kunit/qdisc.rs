// SPDX-License-Identifier: GPL-2.0

//! Tests how qdiscs are created, configured, reset and destroyed.

use kernel::prelude::*;

#[kunit_tests(tackle_qdisc)]
mod tests {
    use crate::fifo::{Fifo, DEFAULT_LIMIT, LIMIT, MTU, POLICY, RESETS, STATES};
    use kernel::{prelude::*, sync::atomic::Relaxed};
    use tackle::{
        expect_eq, fault,
        kunit::{counts, packets, Ack, Counts, Faults, Message, Packet, Request, Standalone},
    };

    /// Creates a qdisc that holds `count` packets of 100 bytes with the marks 0, 1, 2...
    fn queue(count: u32) -> Result<Standalone<Fifo>> {
        let mut queue = Standalone::new(&mut Ack::new()?)?;
        for mark in 0..count {
            expect_eq!(queue.enqueue(Packet::new(100, mark)?), true);
        }
        Ok(queue)
    }

    fn limit(limit: u32) -> Result<Request> {
        Request::new()?.put(LIMIT, &limit.to_ne_bytes())
    }

    /// Returns the limit and the MTU from a dump of the qdisc's options.
    fn dumped(queue: &mut Standalone<Fifo>) -> Result<(Option<u32>, Option<u32>)> {
        let mut message = Message::new(256)?;
        queue.dump(&mut message)?;
        let options = message.first().ok_or(ENODATA)?;
        let options = options.parse(&POLICY, &mut Ack::new()?.ext_ack())?;
        Ok((options.u32(LIMIT), options.u32(MTU)))
    }

    #[test]
    fn the_state_lives_as_long_as_the_qdisc() -> Result {
        let before = STATES.load(Relaxed);
        let queue = queue(0)?;
        expect_eq!(STATES.load(Relaxed) - before, 1);
        drop(queue);
        expect_eq!(STATES.load(Relaxed), before);
        Ok(())
    }

    #[test]
    fn the_configuration_is_told() -> Result {
        // The MTU is that of the loopback device, 64 KiB, and an Ethernet header.
        expect_eq!(
            dumped(&mut queue(0)?)?,
            (Some(DEFAULT_LIMIT), Some(65536 + 14))
        );
        Ok(())
    }

    #[test]
    fn a_change_is_in_force_and_told() -> Result {
        let mut queue = queue(0)?;
        queue.change(&limit(1)?, &mut Ack::new()?)?;
        expect_eq!(dumped(&mut queue)?.0, Some(1));
        expect_eq!(queue.enqueue(Packet::new(100, 1)?), true);
        expect_eq!(queue.enqueue(Packet::new(100, 2)?), false);
        Ok(())
    }

    #[test]
    fn a_smaller_limit_drops_from_the_head() -> Result {
        let before = packets();
        let mut queue = queue(5)?;
        queue.change(&limit(2)?, &mut Ack::new()?)?;
        expect_eq!(packets() - before, 2);
        let counts = queue.counts();
        expect_eq!((counts.qlen, counts.backlog), (2, 200));
        let rest = [queue.dequeue(), queue.dequeue(), queue.dequeue()];
        expect_eq!(
            rest.each_ref()
                .map(|packet| packet.as_ref().map(Packet::mark)),
            [Some(3), Some(4), None]
        );
        Ok(())
    }

    #[test]
    fn a_peeked_packet_is_part_of_the_queue() -> Result {
        let before = packets();
        let mut queue = queue(3)?;
        queue.peek();
        queue.change(&limit(1)?, &mut Ack::new()?)?;
        let expected = Counts {
            qlen: 1,
            backlog: 100,
            drops: 2,
            ..Counts::default()
        };
        expect_eq!(queue.counts(), expected);
        expect_eq!(packets() - before, 1);
        Ok(())
    }

    #[test]
    fn a_peeked_packet_counts_as_sent_once_it_has_left() -> Result {
        let mut queue = queue(3)?;
        // The counts that users see. C code calls `dump` for the options before it reads the
        // counts.
        let shown = |queue: &mut Standalone<Fifo>| -> Result<(u32, u64)> {
            dumped(queue)?;
            let counts = queue.counts();
            Ok((counts.qlen, counts.packets))
        };
        expect_eq!((queue.peek(), queue.peek()), (Some(0), Some(0)));
        expect_eq!(shown(&mut queue)?, (3, 0));
        expect_eq!(queue.dequeue().map(|packet| packet.mark()), Some(0));
        expect_eq!(shown(&mut queue)?, (2, 1));
        expect_eq!(shown(&mut queue)?, (2, 1));
        // The next peek counts the packet that has left after the first peek.
        expect_eq!(queue.peek(), Some(1));
        expect_eq!(queue.dequeue().map(|packet| packet.mark()), Some(1));
        expect_eq!(queue.peek(), Some(2));
        expect_eq!(queue.counts().packets, 2);
        queue.reset();
        expect_eq!((queue.counts().packets, queue.counts().drops), (2, 1));
        Ok(())
    }

    #[test]
    fn a_refused_change_changes_nothing() -> Result {
        let (mut queue, mut ack) = (queue(3)?, Ack::new()?);
        expect_eq!(queue.change(&limit(0)?, &mut ack), Err(EDOM));
        expect_eq!(
            ack.message(),
            Some(c"A queue has room for one packet at least")
        );
        let short = Request::new()?.put(LIMIT, &[1])?;
        expect_eq!(queue.change(&short, &mut Ack::new()?), Err(ERANGE));
        expect_eq!(dumped(&mut queue)?.0, Some(DEFAULT_LIMIT));
        expect_eq!(queue.counts().qlen, 3);
        Ok(())
    }

    #[test]
    fn a_full_answer_is_emsgsize_and_as_before() -> Result {
        let (mut queue, mut message) = (queue(0)?, Message::new(64)?);
        while message.nest(1, |_| Ok(())).is_ok() {}
        let before = message.bytes().len();
        expect_eq!(queue.dump(&mut message), Err(EMSGSIZE));
        expect_eq!(message.bytes().len(), before);
        // A second dump works, so the first one has released the lock.
        expect_eq!(dumped(&mut queue).is_ok(), true);
        Ok(())
    }

    #[test]
    fn a_reset_empties_the_queue() -> Result {
        let (before, resets) = (packets(), RESETS.load(Relaxed));
        let mut queue = queue(4)?;
        queue.peek();
        queue.reset();
        expect_eq!(packets(), before);
        expect_eq!(RESETS.load(Relaxed) - resets, 1);
        // All packets are counted as dropped. The one that was peeked is not counted as sent.
        let expected = Counts {
            drops: 4,
            ..Counts::default()
        };
        expect_eq!(queue.counts(), expected);
        expect_eq!(queue.dequeue().is_none(), true);
        queue.enqueue(Packet::new(100, 9)?);
        expect_eq!(queue.dequeue().map(|packet| packet.mark()), Some(9));
        Ok(())
    }

    #[test]
    fn the_packets_go_with_the_qdisc() -> Result {
        let before = packets();
        let mut queue = queue(4)?;
        queue.peek();
        expect_eq!(packets() - before, 4);
        drop(queue);
        expect_eq!(packets(), before);
        Ok(())
    }

    #[test]
    fn each_step_of_making_one_can_fail() -> Result {
        let (states, resets) = (STATES.load(Relaxed), RESETS.load(Relaxed));
        for (spared, point, message) in [
            (
                0,
                &fault::QDISC_INIT_OPTIONS,
                c"Cannot use the qdisc's options",
            ),
            (
                1,
                &fault::QDISC_INIT_DATA,
                c"Cannot set up the qdisc's state",
            ),
        ] {
            let (before, mut ack) = (counts(point).1, Ack::new()?);
            let faults = Faults::after(spared);
            expect_eq!(Standalone::<Fifo>::new(&mut ack).err().is_some(), true);
            drop(faults);
            expect_eq!(counts(point).1, before + 1);
            expect_eq!(ack.message(), Some(message));
        }
        // No state was created, so none was reset or dropped.
        expect_eq!(STATES.load(Relaxed), states);
        expect_eq!(RESETS.load(Relaxed), resets);
        // The fault never happens, because there is no third step.
        let _faults = Faults::after(2);
        expect_eq!(Standalone::<Fifo>::new(&mut Ack::new()?).is_ok(), true);
        Ok(())
    }
}
