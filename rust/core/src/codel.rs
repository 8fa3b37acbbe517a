// SPDX-License-Identifier: GPL-2.0

//! Implements CoDel, the active queue management with controlled delay of RFC 8289.
//!
//! CoDel judges a queue by the sojourn time: how long its packets wait in it. A queue whose
//! sojourn time stays above [`Params::target`] for a whole [`Params::interval`] is a standing
//! queue, which only adds delay. Then CoDel drops (or marks) one packet. While the sojourn time
//! stays above the target, it drops the next packet after `interval / sqrt(count)`:
//!
//! ```text
//!  sojourn
//!   time   |      .-------------.
//!          |     /               \
//!   target +----/-----------------\---------
//!          |   /                   \
//!          +--+----------+-+--+-+---+------> now
//!             |          | |  | |
//!             above      drops  below: leave the dropping state
//!             |<-------->|
//!               interval
//! ```
//!
//! The arithmetic is identical, bit for bit, to that of the kernel's `include/net/codel.h` and
//! `include/net/codel_impl.h` (Linux 7.3); `tests/codel_diff.rs` compares both. All times are
//! `u32` counts of 1024 ns that wrap around, and the reciprocal square root is a 16-bit
//! fixed-point number. Only for intervals above 129 s the results differ: C's check whether the
//! last dropping state is recent overflows there.
//!
//! The state is in plain fields that [`dequeue`] borrows mutably. So the caller must exclude
//! [`dequeue`] while it reads [`Vars`] and [`Stats`] for a dump (in a qdisc: by the root lock).

pub mod attr;
mod queue;
mod sojourn;
mod time;
pub mod xstats;

pub use queue::{Codel, Drops};
pub use sojourn::{buckets, Bucket, SojournHistogram, BUCKETS};
pub use time::{Time, MAX_US};

/// The maximum number of packets that one [`dequeue`] drops.
///
/// After a long idle time the time of the next drop lies far in the past. Without a limit,
/// catching up could hold the queue's lock until the backlog is empty.
pub const MAX_DROPS_PER_DEQUEUE: u32 = 256;

/// The shift that converts the stored upper half of a Q0.32 number to that number.
const REC_INV_SQRT_SHIFT: u32 = 32 - u16::BITS;

/// The parameters that a user can set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Params {
    /// The sojourn time that is acceptable at all times. Default: 5 ms.
    pub target: Time,
    /// How long the sojourn time may stay above `target` before the first drop. This should be
    /// about the longest round-trip time of the flows. Default: 100 ms.
    pub interval: Time,
    /// Packets with a longer sojourn time are marked with ECN CE in any state of the queue.
    /// Default: [`Time::DISABLED`].
    pub ce_threshold: Time,
    /// A backlog of at most this many bytes is never too long, since with less than a packet the
    /// link could not be kept busy. Default: 0. A qdisc sets it to the size of the largest packet
    /// of its device.
    pub mtu: u32,
    /// Whether to mark packets instead of dropping them, if they can be marked. Default: off.
    pub ecn: bool,
    /// If this is not 0, `ce_threshold` applies only to packets whose DS field (with the ECN
    /// bits), masked with it, is `ce_threshold_selector`.
    pub ce_threshold_mask: u8,
    /// See `ce_threshold_mask`.
    pub ce_threshold_selector: u8,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            target: Time::from_us(5_000),
            interval: Time::from_us(100_000),
            ce_threshold: Time::DISABLED,
            mtu: 0,
            ecn: false,
            ce_threshold_mask: 0,
            ce_threshold_selector: 0,
        }
    }
}

/// The state of one queue. All zero (the [`Default`]) at the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Vars {
    /// The number of drops or marks since the dropping state was entered. It can begin with the
    /// number at the end of the last dropping state.
    pub count: u32,
    /// `count` as it was when the dropping state was last entered.
    pub lastcount: u32,
    /// Whether the queue is in the dropping state.
    pub dropping: bool,
    /// The upper 16 bits of `1 / sqrt(count)` as a Q0.32 number.
    pub rec_inv_sqrt: u16,
    /// The time at which the sojourn time will have been above the target for an interval; 0 while
    /// it is below the target.
    pub first_above_time: Time,
    /// The time of the next drop.
    pub drop_next: Time,
    /// The sojourn time of the last packet that was dequeued.
    pub ldelay: Time,
}

impl Vars {
    /// Returns the time from `now` to the next drop in microseconds. It is negative if the drop is
    /// overdue, and 0 if the queue is not in the dropping state.
    ///
    /// This is the member `drop_next` of `struct tc_codel_xstats`. Like the kernel's value it
    /// wraps around from 2^31 microseconds (36 minutes) on.
    #[inline]
    pub const fn drop_next_us(&self, now: Time) -> i32 {
        if !self.dropping {
            return 0;
        }
        self.drop_next.us_after(now)
    }

    /// Returns the time from `now` until the sojourn time will have been above the target for an
    /// interval, in microseconds. It is negative after that time. Returns [`None`] while the
    /// sojourn time is below the target.
    ///
    /// The value wraps around like that of [`drop_next_us`](Self::drop_next_us).
    pub fn first_above_us(&self, now: Time) -> Option<i32> {
        (self.first_above_time != Time(0)).then(|| self.first_above_time.us_after(now))
    }

    /// Returns whether the state is that of an empty queue, so that [`dequeue`] on the empty queue
    /// would not change it.
    #[inline]
    pub fn is_idle(&self) -> bool {
        !self.dropping && self.first_above_time == Time(0)
    }

    /// Computes one step of Newton's method from `1 / sqrt(count - 1)` towards `1 / sqrt(count)`:
    /// `x' = x / 2 * (3 - count * x^2)`.
    #[inline]
    fn newton_step(&mut self) {
        let x = u64::from(self.rec_inv_sqrt) << REC_INV_SQRT_SHIFT;
        let x2 = x.wrapping_mul(x) >> 32;
        let three = 3u64 << 32;
        // A jump of `count` can make the difference negative, so it wraps around.
        let factor = three.wrapping_sub(u64::from(self.count).wrapping_mul(x2));
        // The factor loses two bits, so that the product fits in 64 bits.
        let next = (factor >> 2).wrapping_mul(x) >> (32 - 2 + 1);
        self.rec_inv_sqrt = (next >> REC_INV_SQRT_SHIFT) as u16;
    }

    /// Returns the time of the drop after a drop at `from`: `interval / sqrt(count)` later, but at
    /// least one unit, since otherwise the time would never advance.
    #[inline]
    fn control_law(&self, from: Time, interval: Time) -> Time {
        let x = u64::from(self.rec_inv_sqrt) << REC_INV_SQRT_SHIFT;
        let step = (u64::from(interval.0).wrapping_mul(x) >> 32) as u32;
        from.plus(Time(step.max(1)))
    }

    /// Records that the queue is empty or its sojourn time below the target.
    #[inline]
    fn went_below(&mut self) {
        self.first_above_time = Time(0);
    }

    /// Enters the dropping state. If the last dropping state ended recently, it continues with the
    /// drop rate of that time.
    #[inline]
    fn enter_dropping(&mut self, now: Time, interval: Time) {
        let delta = self.count.wrapping_sub(self.lastcount);
        // `drop_next` may lie up to one interval ahead. The sum of that and of 16 intervals must
        // stay below 2^31 for the signed comparison, so the product is capped. C lets it overflow.
        let longest = i32::MAX.unsigned_abs().saturating_sub(interval.0);
        let recent = Time(interval.0.saturating_mul(16).min(longest));
        self.dropping = true;
        if delta > 1 && now.since(self.drop_next).before(recent) {
            self.count = delta;
            // The result is inaccurate at first, and the next steps correct it.
            self.newton_step();
        } else {
            self.count = 1;
            self.rec_inv_sqrt = u16::MAX;
        }
        self.lastcount = self.count;
        self.drop_next = self.control_law(now, interval);
    }
}

/// Counters, which are 0 at the start and wrap around.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// The length in bytes of the longest packet seen.
    pub maxpacket: u32,
    /// Dropped packets. A caller that reports drops to the parents of the queue takes them out
    /// after each [`dequeue`].
    pub drop_count: u32,
    /// Bytes of the packets in `drop_count`.
    pub drop_len: u32,
    /// Packets marked with ECN CE instead of dropped.
    pub ecn_mark: u32,
    /// Packets marked with ECN CE for [`Params::ce_threshold`].
    pub ce_mark: u32,
}

/// The operations of a queue that [`dequeue`] needs.
pub trait Queue {
    /// An owned packet, which is not in the queue.
    type Packet;

    /// Returns the current time, on the clock of [`Queue::enqueued_at`].
    ///
    /// A [`dequeue`] calls this at most once, and only if there is a packet.
    fn now(&self) -> Time;

    /// Removes the packet at the head from the queue and its backlog.
    fn pop(&mut self) -> Option<Self::Packet>;

    /// Returns the number of bytes in the queue.
    fn backlog(&self) -> u32;

    /// Returns the length of a packet in bytes.
    fn len(packet: &Self::Packet) -> u32;

    /// Returns the time at which a packet was put into the queue.
    fn enqueued_at(packet: &Self::Packet) -> Time;

    /// Drops a packet that [`Queue::pop`] has returned.
    fn drop(&mut self, packet: Self::Packet);

    /// Marks a packet with ECN CE. Returns true if the packet has that mark now, and false if it
    /// cannot be marked.
    fn mark(&mut self, packet: &mut Self::Packet) -> bool;

    /// Returns the DS field of the IP header with the ECN bits, if there is one.
    ///
    /// The packet is mutable since its header may have to be made readable first.
    fn dsfield(&mut self, packet: &mut Self::Packet) -> Option<u8>;
}

/// Removes the next packet to be sent from the queue, and drops or marks packets by the rules of
/// CoDel.
///
/// Returns [`None`] if the queue is empty, or has become empty. Drops at most
/// [`MAX_DROPS_PER_DEQUEUE`] packets.
#[inline]
pub fn dequeue<Q: Queue>(
    queue: &mut Q,
    params: &Params,
    vars: &mut Vars,
    stats: &mut Stats,
) -> Option<Q::Packet> {
    let Some(mut packet) = queue.pop() else {
        vars.went_below();
        vars.dropping = false;
        return None;
    };
    let now = queue.now();
    let due = should_drop(&packet, queue, params, vars, stats, now);

    if vars.dropping {
        if !due {
            vars.dropping = false;
        }
        let mut drops = 0;
        while vars.dropping && now.after_eq(vars.drop_next) {
            if drops == MAX_DROPS_PER_DEQUEUE {
                // The schedule is too far behind to catch up, so a new one begins now.
                vars.drop_next = vars.control_law(now, params.interval);
                break;
            }
            drops += 1;
            vars.count = vars.count.wrapping_add(1);
            vars.newton_step();
            if params.ecn && queue.mark(&mut packet) {
                stats.ecn_mark = stats.ecn_mark.wrapping_add(1);
                vars.drop_next = vars.control_law(vars.drop_next, params.interval);
                break;
            }
            discard(packet, queue, stats);
            let Some(next) = queue.pop() else {
                vars.went_below();
                vars.dropping = false;
                return None;
            };
            packet = next;
            if should_drop(&packet, queue, params, vars, stats, now) {
                vars.drop_next = vars.control_law(vars.drop_next, params.interval);
            } else {
                vars.dropping = false;
            }
        }
    } else if due {
        let kept = if params.ecn && queue.mark(&mut packet) {
            stats.ecn_mark = stats.ecn_mark.wrapping_add(1);
            Some(packet)
        } else {
            discard(packet, queue, stats);
            let next = queue.pop();
            match &next {
                // This call only updates the state, since the dropping state is entered anyway.
                Some(next) => _ = should_drop(next, queue, params, vars, stats, now),
                None => vars.went_below(),
            }
            next
        };
        vars.enter_dropping(now, params.interval);
        packet = kept?;
    }

    if vars.ldelay.after(params.ce_threshold)
        && ce_selected(&mut packet, queue, params)
        && queue.mark(&mut packet)
    {
        stats.ce_mark = stats.ce_mark.wrapping_add(1);
    }
    Some(packet)
}

/// Records the sojourn time of `packet`. Returns true if the sojourn time has been above the
/// target for an interval.
#[inline]
fn should_drop<Q: Queue>(
    packet: &Q::Packet,
    queue: &Q,
    params: &Params,
    vars: &mut Vars,
    stats: &mut Stats,
    now: Time,
) -> bool {
    vars.ldelay = now.since(Q::enqueued_at(packet));
    if Q::len(packet) > stats.maxpacket {
        stats.maxpacket = Q::len(packet);
    }

    if vars.ldelay.before(params.target) || queue.backlog() <= params.mtu {
        vars.went_below();
        return false;
    }
    if vars.first_above_time == Time(0) {
        vars.first_above_time = now.plus(params.interval);
        return false;
    }
    now.after(vars.first_above_time)
}

/// Drops a packet and counts it.
#[inline]
fn discard<Q: Queue>(packet: Q::Packet, queue: &mut Q, stats: &mut Stats) {
    stats.drop_len = stats.drop_len.wrapping_add(Q::len(&packet));
    queue.drop(packet);
    stats.drop_count = stats.drop_count.wrapping_add(1);
}

/// Returns whether [`Params::ce_threshold`] applies to this packet.
#[inline]
fn ce_selected<Q: Queue>(packet: &mut Q::Packet, queue: &mut Q, params: &Params) -> bool {
    params.ce_threshold_mask == 0
        || queue
            .dsfield(packet)
            .is_some_and(|ds| ds & params.ce_threshold_mask == params.ce_threshold_selector)
}
