// SPDX-License-Identifier: GPL-2.0

//! Implements queueing disciplines (qdiscs), which `tc qdisc add ... KIND` puts in front of a
//! device.
//!
//! C headers: [`include/net/sch_generic.h`](srctree/include/net/sch_generic.h),
//! [`include/net/pkt_sched.h`](srctree/include/net/pkt_sched.h)
//!
//! A kind of qdisc is a type that implements [`Qdisc`]. A [`Registration`] registers the kind with
//! the kernel. Each qdisc of the kind has a value of [`State`](Qdisc::State), in the memory that
//! the kernel allocates after its `struct Qdisc`.
//!
//! # Locking
//!
//! Each qdisc is in the tree of a transmit queue, whose root has a lock.
//!
//! | called | with | on the state |
//! | --- | --- | --- |
//! | [`enqueue`](Qdisc::enqueue), [`dequeue`](Qdisc::dequeue) | root lock, by the kernel | `&mut` |
//! | [`is_idle`](Qdisc::is_idle) | root lock, by the kernel | `&` |
//! | [`check`](Qdisc::check) | root lock, by this module; RTNL | `&` |
//! | [`change`](Qdisc::change) | root lock, by this module; RTNL | `&mut` |
//! | [`dump`](Qdisc::dump), [`stats`](Qdisc::stats) and its kin | root lock, by this module; RTNL | `&` |
//! | [`reset`](Qdisc::reset) | root lock, or RTNL and unreachable | `&mut` |
//! | [`init`](Qdisc::init), drop | RTNL; not reachable yet or any more | made, owned |
//! | [`parse`](Qdisc::parse) | RTNL | none |
//! | [`flow_count`](Qdisc::flow_count) and its kin | root lock, by this module; RTNL | `&` |
//!
//! So the state needs no lock and no atomics of its own. In C, `codel` dumps its state field by
//! field without the lock. Here a dump is consistent, and the hot path need not care about readers.
//! A dump holds the lock as long as [`stats`](Qdisc::stats) takes. A dump of the classes takes the
//! lock for [`flow_count`](Qdisc::flow_count) and for each flow.
//!
//! # Errors that the types exclude
//!
//! A packet ([`SkBuff`]) is owned and lives for one call (`'call`), so it is sent, queued or freed
//! exactly once. It is queued in the queue that each `struct Qdisc` has, or in the lists
//! ([`SkbList`](super::SkbList)) of the state, which belong to one qdisc (`'q`). [`Enqueue`],
//! [`Dequeue`], [`Change`] and [`Reset`] move packets. They also update the length of the queue,
//! the backlog, and the counts of the qdisc and its parents.
//!
//! So each packet that is sent, or dropped by `drop()` or `reject()`, is counted once: as sent, as
//! dropped, or as waiting. In C, some kinds do not count the packets that a change drops, and no
//! kind counts the packets that a reset drops. A packet that a parent has peeked at counts as sent
//! there while it still waits. A packet that the device returns (`requeues` in `tc -s`) waits
//! again, but stays counted as sent.
//!
//! # Flows
//!
//! A kind with many queues shows them as classes (`tc -s class`) if it implements
//! [`flow_count`](Qdisc::flow_count). Users may then add filters (`tc filter`), which
//! [`Enqueue::classify`] runs. The class `HANDLE:N` is flow `N - 1`.

mod classes;
mod dequeue;
mod details;
mod enqueue;
mod filters;
mod lock;
pub(crate) mod ops;
mod parked;
mod registration;
mod sch;
mod settings;
mod show;

use super::{
    netlink::{ExtAck, Nest, Nested},
    SkBuff,
};
use kernel::{prelude::*, sync::Arc, transmute::AsBytes};

pub use dequeue::Dequeue;
pub use details::{Details, UnlockedDetails};
pub use enqueue::{Enqueue, Outcome, Verdict};
pub use registration::Registration;
pub use sch::Sch;
pub use settings::{Change, Reset, Setup};

/// The statistics of a flow that user space gets.
pub struct FlowStats<S> {
    /// The number of packets that wait in the flow.
    pub qlen: u32,
    /// The bytes of these packets.
    pub backlog: u32,
    /// The statistics that are specific to the kind.
    pub stats: S,
}

/// A kind of queueing discipline.
///
/// The counterpart in C is `struct Qdisc_ops`.
#[vtable]
pub trait Qdisc: Sized + 'static {
    /// The name of the kind, at most 15 bytes.
    const ID: &'static CStr;

    /// The state of the qdisc `'q`. The lifetime identifies the qdisc. It does not end between
    /// calls.
    type State<'q>: Send;

    /// The options of one request of a user, each of which can be missing.
    ///
    /// The default is a request without options.
    type Config: Default;

    /// The statistics of this kind in the format of user space, for a qdisc and for a flow. `[u8;
    /// 0]` if the kind has none.
    type Stats: AsBytes;

    /// Reads the options of a request.
    ///
    /// # Errors
    ///
    /// An errno refuses the request: the qdisc is not made, or stays as it is. The method can
    /// explain the error with a message in `ack`.
    ///
    /// # Context
    ///
    /// RTNL is held; may sleep.
    fn parse(options: Nested<'_>, ack: &mut ExtAck<'_>) -> Result<Self::Config>;

    /// Makes the state of a new qdisc.
    ///
    /// # Errors
    ///
    /// An errno from the initialiser refuses the qdisc.
    ///
    /// # Context
    ///
    /// RTNL is held; may sleep. The qdisc gets no packets before the initialiser has succeeded.
    fn init<'q>(
        config: Self::Config,
        setup: &mut Setup<'_>,
    ) -> impl PinInit<Self::State<'q>, Error>;

    /// Queues or rejects a packet.
    ///
    /// # Context
    ///
    /// Root lock, bottom halves disabled.
    fn enqueue<'q, 'call>(
        state: Pin<&mut Self::State<'q>>,
        sch: &mut Enqueue<'q, 'call>,
        packet: SkBuff<'call>,
    ) -> Outcome<'call>;

    /// Removes and returns the next packet to send; [`None`] if there is none now.
    ///
    /// The kernel may peek at the packet before it sends it. Then it calls this method, and the
    /// packet waits in front of the queue afterwards.
    ///
    /// # Context
    ///
    /// Root lock, bottom halves disabled.
    fn dequeue<'q, 'call>(
        state: Pin<&mut Self::State<'q>>,
        sch: &mut Dequeue<'q, 'call>,
    ) -> Option<SkBuff<'call>>;

    /// Returns whether [`dequeue`](Self::dequeue) would find no packet and change nothing.
    ///
    /// This is called before `dequeue`. The kernel dequeues until no packet is left. So if packets
    /// arrive one by one, every second call finds none.
    ///
    /// # Context
    ///
    /// Root lock, bottom halves disabled.
    #[inline]
    fn is_idle(state: &Self::State<'_>, sch: &Sch) -> bool {
        let (_, _) = (state, sch);
        false
    }

    /// Refuses a change that `parse` has accepted but that is impossible for this qdisc.
    ///
    /// # Errors
    ///
    /// An errno refuses the change: the qdisc stays as it is. The method can explain the error with
    /// a message in `ack`.
    ///
    /// # Context
    ///
    /// Root lock, bottom halves disabled; RTNL. Must not sleep.
    fn check(state: &Self::State<'_>, config: &Self::Config, ack: &mut ExtAck<'_>) -> Result {
        let (_, _, _) = (state, config, ack);
        Ok(())
    }

    /// Applies a new configuration, which `parse` and `check` have accepted.
    ///
    /// Without this method, requests to change a qdisc are refused with `EINVAL`.
    ///
    /// # Context
    ///
    /// Root lock, bottom halves disabled; RTNL.
    fn change<'q>(
        state: Pin<&mut Self::State<'q>>,
        sch: &mut Change<'q, '_>,
        config: Self::Config,
    ) {
        let (_, _, _) = (state, sch, config);
    }

    /// Sets the state back to that of an empty queue, and purges its lists ([`Reset::purge`]).
    /// After this the caller empties the qdisc's own queue. All packets that wait are counted as
    /// dropped.
    ///
    /// If this leaves packets in lists, the qdisc sends nothing any more, and the log reports that.
    /// The reason is that a packet has the number of a transmit queue, and the device may have
    /// fewer transmit queues now.
    ///
    /// # Context
    ///
    /// RTNL is held. The root lock is held, or no other code uses the qdisc. Must not sleep.
    fn reset<'q>(state: Pin<&mut Self::State<'q>>, sch: &mut Reset<'q>) {
        let (_, _) = (state, sch);
    }

    /// Writes the configuration as attributes that [`parse`](Self::parse) accepts.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE`: the message is full.
    ///
    /// # Context
    ///
    /// Root lock, bottom halves disabled; RTNL.
    fn dump(state: &Self::State<'_>, sch: &Sch, options: &mut Nest<'_>) -> Result;

    /// Returns the statistics.
    ///
    /// # Context
    ///
    /// Root lock, bottom halves disabled; RTNL.
    fn stats(state: &Self::State<'_>, sch: &Sch) -> Self::Stats;

    /// Adds statistics beyond the [`Stats`](Self::Stats).
    ///
    /// # Errors
    ///
    /// `EMSGSIZE`: there is no room left.
    ///
    /// # Context
    ///
    /// Root lock, bottom halves disabled; RTNL.
    fn details(state: &Self::State<'_>, sch: &Sch, out: &mut Details) -> Result {
        let (_, _, _) = (state, sch, out);
        Ok(())
    }

    /// Returns statistics that are added after the details when the lock is released. For
    /// statistics that take long to write and need no lock.
    ///
    /// # Context
    ///
    /// Root lock, bottom halves disabled; RTNL.
    fn unlocked_details(state: &Self::State<'_>) -> Option<Arc<dyn UnlockedDetails>> {
        let _ = state;
        None
    }

    /// Returns the number of flows, which does not change. Users can distinguish at most 65,536
    /// flows.
    ///
    /// A kind without this method has no classes and no filters.
    ///
    /// # Context
    ///
    /// Root lock, bottom halves disabled; RTNL. The same holds for the next three methods.
    fn flow_count(state: &Self::State<'_>) -> u32 {
        let _ = state;
        0
    }

    /// Returns whether user space is to see a flow.
    fn flow_in_use(state: &Self::State<'_>, flow: u32) -> bool {
        let (_, _) = (state, flow);
        false
    }

    /// Returns the statistics of a flow; [`None`] if there is no such flow.
    fn flow_stats(state: &Self::State<'_>, flow: u32) -> Option<FlowStats<Self::Stats>> {
        let (_, _) = (state, flow);
        None
    }

    /// Adds statistics of a flow beyond those of [`flow_stats`](Self::flow_stats).
    ///
    /// # Errors
    ///
    /// `EMSGSIZE`: there is no room left.
    fn flow_details(state: &Self::State<'_>, flow: u32, out: &mut Details) -> Result {
        let (_, _, _) = (state, flow, out);
        Ok(())
    }
}
