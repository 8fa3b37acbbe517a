// SPDX-License-Identifier: GPL-2.0

//! CoDel, the controlled-delay active queue management of RFC 8289.
//!
//! CoDel judges a queue by how long its packets waited in it (the sojourn
//! time). A queue that stays above [`Params::target`] for a whole
//! [`Params::interval`] is a standing one: it only adds delay. Then CoDel drops
//! (or marks) one packet, and as long as that does not help the next after
//! `interval / sqrt(count)`:
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
//! The arithmetic is, bit for bit, that of the kernel's `include/net/codel.h`
//! and `include/net/codel_impl.h` (Linux 7.3), which `tests/codel_diff.rs`
//! compares this module with: all times are `u32` counts of 1024 ns that wrap
//! around, and the reciprocal square root is a 16-bit fixed-point number. It
//! differs for intervals above 129 s: there C's test whether the last dropping
//! state is recent overflows.
//!
//! The state is in plain fields that [`dequeue`] borrows mutably, so whoever
//! reads [`Vars`] and [`Stats`] for a dump must exclude [`dequeue`] meanwhile
//! (in a qdisc: hold the root lock).

pub mod attr;
mod queue;
mod sojourn;
mod time;
pub mod xstats;

pub use queue::{Codel, Drops};
pub use sojourn::{buckets, Bucket, SojournHistogram, BUCKETS};
pub use time::{Time, MAX_US};

/// The most packets that one [`dequeue`] drops.
///
/// After a long idle time the schedule of drops lies far in the past; without a
/// bound, catching up could hold the queue's lock for as long as the backlog
/// lasts.
pub const MAX_DROPS_PER_DEQUEUE: u32 = 256;

/// Turns the stored upper half of a Q0.32 number back into that number.
const REC_INV_SQRT_SHIFT: u32 = 32 - u16::BITS;

/// What a user can set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Params {
    /// The sojourn time that is acceptable at all times. Default: 5 ms.
    pub target: Time,
    /// How long the sojourn time may stay above `target` before the first
    /// drop; about the longest round-trip time of the flows. Default: 100 ms.
    pub interval: Time,
    /// Packets that waited longer than this are marked with ECN CE, whatever
    /// state the queue is in. Default: [`Time::DISABLED`].
    pub ce_threshold: Time,
    /// A backlog of up to this many bytes is never too long: the link could
    /// not be kept busy with less than a packet. Default: 0; a queue sets it to
    /// the size of the largest packet of its device.
    pub mtu: u32,
    /// Mark packets instead of dropping them, where they can be marked.
    /// Default: off.
    pub ecn: bool,
    /// If not zero, `ce_threshold` is for those packets only whose DS field
    /// (with the ECN bits) under this mask is `ce_threshold_selector`.
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
    /// Drops or marks since the dropping state was entered, or a number to
    /// start from where the last such state left off.
    pub count: u32,
    /// `count` as it was when the dropping state was last entered.
    pub lastcount: u32,
    /// Whether the queue is in the dropping state.
    pub dropping: bool,
    /// The upper 16 bits of `1 / sqrt(count)` as a Q0.32 number.
    pub rec_inv_sqrt: u16,
    /// When the sojourn time will have been above target for an interval;
    /// zero while it is below.
    pub first_above_time: Time,
    /// When the next packet is due to be dropped.
    pub drop_next: Time,
    /// How long the packet that was last taken out had waited.
    pub ldelay: Time,
}

impl Vars {
    /// The time from `now` to the next drop in microseconds, negative when it
    /// is overdue; 0 when the queue is not in the dropping state.
    ///
    /// That is the member `drop_next` of `struct tc_codel_xstats`. From 2^31
    /// microseconds on (36 minutes) it wraps around, as the kernel's does.
    #[inline]
    pub const fn drop_next_us(&self, now: Time) -> i32 {
        if !self.dropping {
            return 0;
        }
        self.drop_next.us_after(now)
    }

    /// The time from `now` until the sojourn time will have been above target for an interval
    /// in microseconds, negative when it has been so for longer; [`None`] while it is below.
    ///
    /// It wraps around as [`drop_next_us`](Self::drop_next_us) does.
    pub fn first_above_us(&self, now: Time) -> Option<i32> {
        (self.first_above_time != Time(0)).then(|| self.first_above_time.us_after(now))
    }

    /// Whether the state is that of a queue that was found empty: [`dequeue`] would not
    /// change it when the queue is empty again.
    #[inline]
    pub fn is_idle(&self) -> bool {
        !self.dropping && self.first_above_time == Time(0)
    }

    /// One step of Newton's method from `1 / sqrt(count - 1)` towards
    /// `1 / sqrt(count)`: `x' = x / 2 * (3 - count * x^2)`.
    #[inline]
    fn newton_step(&mut self) {
        let x = u64::from(self.rec_inv_sqrt) << REC_INV_SQRT_SHIFT;
        let x2 = x.wrapping_mul(x) >> 32;
        let three = 3u64 << 32;
        // A jump of `count` can make the difference negative: it wraps.
        let factor = three.wrapping_sub(u64::from(self.count).wrapping_mul(x2));
        // Two bits less, so that the product fits in 64 bits.
        let next = (factor >> 2).wrapping_mul(x) >> (32 - 2 + 1);
        self.rec_inv_sqrt = (next >> REC_INV_SQRT_SHIFT) as u16;
    }

    /// When the drop after one at `from` is due: `interval / sqrt(count)` later,
    /// but at least one unit, or else the schedule would stand still.
    #[inline]
    fn control_law(&self, from: Time, interval: Time) -> Time {
        let x = u64::from(self.rec_inv_sqrt) << REC_INV_SQRT_SHIFT;
        let step = (u64::from(interval.0).wrapping_mul(x) >> 32) as u32;
        from.plus(Time(step.max(1)))
    }

    /// The queue ran empty, or at least below the target.
    #[inline]
    fn went_below(&mut self) {
        self.first_above_time = Time(0);
    }

    /// Starts to drop, at the rate where the last dropping state ended if that
    /// is not long ago.
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
            // Far off at first; the steps to come square the error away.
            self.newton_step();
        } else {
            self.count = 1;
            self.rec_inv_sqrt = u16::MAX;
        }
        self.lastcount = self.count;
        self.drop_next = self.control_law(now, interval);
    }
}

/// Counts, all zero at the start. They wrap around.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stats {
    /// The length in bytes of the longest packet seen.
    pub maxpacket: u32,
    /// Packets dropped; a caller that has to tell the parents of the queue takes
    /// them out after each [`dequeue`].
    pub drop_count: u32,
    /// Bytes of the packets in `drop_count`.
    pub drop_len: u32,
    /// Packets marked with ECN CE instead of dropped.
    pub ecn_mark: u32,
    /// Packets marked with ECN CE for [`Params::ce_threshold`].
    pub ce_mark: u32,
}

/// A queue of packets, as [`dequeue`] sees it.
pub trait Queue {
    /// A packet that was taken out of the queue, owned.
    type Packet;

    /// The current time, on the clock of [`Queue::enqueued_at`].
    ///
    /// Taken at most once for a [`dequeue`], and only if there is a packet.
    fn now(&self) -> Time;

    /// Takes the packet at the head out of the queue and its backlog.
    fn pop(&mut self) -> Option<Self::Packet>;

    /// The bytes that are in the queue.
    fn backlog(&self) -> u32;

    /// The length of a packet in bytes.
    fn len(packet: &Self::Packet) -> u32;

    /// When a packet was put into the queue.
    fn enqueued_at(packet: &Self::Packet) -> Time;

    /// Drops a packet that [`Queue::pop`] gave out.
    fn drop(&mut self, packet: Self::Packet);

    /// Marks a packet with ECN CE; true when it bears that mark now, false when
    /// it cannot.
    fn mark(&mut self, packet: &mut Self::Packet) -> bool;

    /// The DS field of the IP header with the ECN bits, if there is one.
    ///
    /// The packet is mutable since its header may have to be made readable.
    fn dsfield(&mut self, packet: &mut Self::Packet) -> Option<u8>;
}

/// Takes the next packet to send out of the queue, and drops or marks those
/// that CoDel wants to go.
///
/// Returns [`None`] when the queue is empty or became so. Drops at most
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
                // Too far behind the schedule to catch up: start a new one.
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
                // Only for what it notes: the dropping state is entered anyway.
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

/// Notes how long `packet` waited; true when the queue has been above the
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

/// Whether [`Params::ce_threshold`] is for this packet.
#[inline]
fn ce_selected<Q: Queue>(packet: &mut Q::Packet, queue: &mut Q, params: &Params) -> bool {
    params.ce_threshold_mask == 0
        || queue
            .dsfield(packet)
            .is_some_and(|ds| ds & params.ce_threshold_mask == params.ce_threshold_selector)
}
