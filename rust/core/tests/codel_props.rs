// SPDX-License-Identifier: GPL-2.0

//! What holds for CoDel whatever the traffic.

mod model;

use model::{Fifo, Packet, Sim};
use proptest::collection::vec;
use proptest::prelude::*;
use tackle_core::codel::{Codel, Params, Time, MAX_DROPS_PER_DEQUEUE, MAX_US};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

fn sim(params: Params) -> Sim {
    Sim {
        params,
        ..Sim::default()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Enqueue(u32),
    Dequeue,
    Peek,
    Limit(u32),
    Reset,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        60 => (1..1_600u32).prop_map(Step::Enqueue),
        40 => Just(Step::Dequeue),
        5 => Just(Step::Peek),
        2 => (0..30u32).prop_map(Step::Limit),
        1 => Just(Step::Reset),
    ]
}

/// The queue of a qdisc: a packet that was peeked at waits in front of the others.
struct Line {
    codel: Codel,
    fifo: Fifo,
    parked: Option<Packet>,
    limit: u32,
    came: u32,
    sent: u32,
}

impl Line {
    fn new(params: Params, limit: u32) -> Self {
        let (fifo, codel) = (Fifo::default(), Codel::new(params));
        Line {
            codel,
            fifo,
            parked: None,
            limit,
            came: 0,
            sent: 0,
        }
    }

    fn qlen(&self) -> u32 {
        self.fifo.packets.len() as u32 + u32::from(self.parked.is_some())
    }

    fn play(&mut self, gap: u64, step: &Step) {
        self.fifo.ns += gap;
        match *step {
            Step::Enqueue(len) => {
                self.came += 1;
                if self.codel.admits(self.qlen(), self.limit) {
                    self.fifo.push(len, None);
                }
            }
            Step::Dequeue => {
                let parked = self.parked.take();
                let packet = parked.or_else(|| self.codel.dequeue(&mut self.fifo));
                self.sent += u32::from(packet.is_some());
            }
            Step::Peek if self.parked.is_none() => {
                self.parked = self.codel.dequeue(&mut self.fifo);
            }
            Step::Peek => {}
            Step::Limit(limit) => {
                self.limit = limit;
                let qlen = self.qlen();
                let (parked, fifo) = (&mut self.parked, &mut self.fifo);
                self.codel.trim(qlen, limit, || {
                    parked
                        .take()
                        .or_else(|| tackle_core::codel::Queue::pop(fifo))
                        .is_some()
                });
                assert!(self.qlen() <= limit);
            }
            Step::Reset => {
                self.codel.reset(self.qlen());
                self.parked = None;
                self.fifo.packets.clear();
                self.fifo.backlog = 0;
            }
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let drops = self.codel.drops;
        let gone = self.codel.stats.drop_count + drops.overlimit + drops.change + drops.reset;
        prop_assert_eq!(self.came, self.sent + gone + self.qlen(), "{:?}", drops);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_packet_is_delivered_or_dropped_in_order(
        interval in 0..2_000u32,
        start in any::<u32>(),
        steps in vec((0..20 * MS, 0..1_600u32, any::<bool>()), 0..400),
    ) {
        let mut sim = sim(Params { interval: Time(interval), ..Params::default() });
        let mut ns = u64::from(start) * 1_024;
        let (mut next, mut bytes, mut drops) = (0, 0, 0);
        for (gap, len, put) in steps {
            ns += gap;
            if put {
                sim.enqueue(ns, len, None);
                continue;
            }
            let before = sim.stats.drop_len;
            let backlog = sim.fifo.backlog;
            let packet = sim.dequeue(ns);
            let gone = sim.fifo.dropped.iter().copied().chain(packet.iter().map(|p| p.id));
            for id in gone {
                prop_assert_eq!(id, next);
                next += 1;
            }
            let sent = packet.map_or(0, |p| p.len);
            bytes += sent;
            prop_assert_eq!(backlog, sim.fifo.backlog + sent + sim.stats.drop_len - before);
            prop_assert!(sim.fifo.dropped.len() <= MAX_DROPS_PER_DEQUEUE as usize);
            prop_assert!(sim.fifo.clock_reads.get() <= 1);
            drops += sim.fifo.dropped.len();
            prop_assert_eq!(sim.stats.drop_count as usize, drops);
        }
        prop_assert_eq!(next as usize + sim.fifo.packets.len(), sim.fifo.next_id as usize);
        prop_assert!(bytes == 0 || sim.stats.maxpacket > 0);
    }

    #[test]
    fn a_queue_that_is_never_late_is_left_alone(
        target in 1..1_000_000u32,
        steps in vec((0..10 * MS, 0..1_000u64), 1..300),
    ) {
        let mut sim = sim(Params { target: Time(target), ..Params::default() });
        let mut ns = SECOND;
        for (gap, share) in steps {
            ns += gap + 1;
            let delay = (u64::from(target - 1) * 1_024) * share / 1_000;
            ns = ns.max(delay);
            sim.enqueue(ns, 1_000, None);
            sim.enqueue(ns, 1_000, None);
            for packet in &mut sim.fifo.packets {
                packet.at = Time::from_ns(ns - delay);
            }
            prop_assert!(sim.dequeue(ns).is_some());
            prop_assert_eq!(sim.stats.drop_count, 0);
        }
    }

    #[test]
    fn times_compare_as_numbers_while_they_are_near(
        from in any::<u32>(),
        length in 0..=i32::MAX as u32,
    ) {
        let (from, length) = (Time(from), Time(length));
        let to = from.plus(length);
        prop_assert_eq!(to.since(from), length);
        prop_assert_eq!(to.after(from), length.0 > 0);
        prop_assert_eq!(from.before(to), length.0 > 0);
        prop_assert!(to.after_eq(from));
        prop_assert_eq!(from.after_eq(to), length.0 == 0);
    }

    #[test]
    fn an_option_that_is_shown_can_be_set_again(us in 0..=MAX_US) {
        let set = Time::from_option_us(us).expect("not too long");
        let shown = set.to_option_us();
        prop_assert!(us - shown <= 1, "{} is shown as {}", us, shown);
        prop_assert_eq!(Time::from_option_us(shown), Some(set));
    }

    #[test]
    fn packets_are_sent_in_spite_of_long_options(
        target in 0..=MAX_US,
        interval in MAX_US - 1_000..=MAX_US,
        start in any::<u32>(),
        steps in vec((0..20 * MS, any::<bool>()), 0..200),
    ) {
        let time = |us| Time::from_option_us(us).expect("not too long");
        let mut sim = sim(Params {
            target: time(target),
            interval: time(interval),
            ce_threshold: time(MAX_US),
            ..Params::default()
        });
        let mut ns = u64::from(start) * 1_024;
        for (gap, put) in steps {
            ns += gap;
            if put {
                sim.enqueue(ns, 1_000, Some(1));
            } else {
                sim.dequeue(ns);
            }
        }
        prop_assert_eq!((sim.stats.drop_count, sim.stats.ce_mark), (0, 0));
    }

    #[test]
    fn a_queue_counts_each_packet_once(
        interval in 0..2_000u32,
        limit in 0..30u32,
        steps in vec((0..20 * MS, step()), 0..400),
    ) {
        let mut line = Line::new(Params { interval: Time(interval), ..Params::default() }, limit);
        for (gap, step) in steps {
            line.play(gap, &step);
            line.check()?;
        }
    }

    #[test]
    fn microseconds_come_back_but_for_the_unit(us in any::<u32>()) {
        let back = Time::from_us(us).to_us();
        prop_assert!(us - back <= 2, "{} became {}", us, back);
        prop_assert_eq!(Time::from_us(us), Time::from_ns(u64::from(us) * 1_000));
    }
}
