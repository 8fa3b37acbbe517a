// SPDX-License-Identifier: GPL-2.0

//! Queueing disciplines: what `tc qdisc add ... KIND` puts in front of a device.
//!
//! C headers: [`include/net/sch_generic.h`](srctree/include/net/sch_generic.h),
//! [`include/net/pkt_sched.h`](srctree/include/net/pkt_sched.h)
//!
//! A kind of qdisc is a type that implements [`Qdisc`]; a [`Registration`] makes it known
//! to the kernel. A value of its [`State`](Qdisc::State) is one qdisc's, in the memory that
//! the kernel allocates behind its `struct Qdisc`.
//!
//! # Locking
//!
//! Every qdisc stands in the tree of a transmit queue, whose root has a lock.
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
//! So the state needs no lock and no atomics of its own. In C, `codel` shows its state
//! without the lock, field by field; here a dump is consistent, and the hot path need not
//! care who reads. A dump holds the lock as long as [`stats`](Qdisc::stats) takes, a dump of the
//! classes as long as [`flow_count`](Qdisc::flow_count) and one flow take each.
//!
//! # What an implementation cannot get wrong
//!
//! A packet ([`SkBuff`]) is owned, and lives for one call (`'call`): it is sent, queued, or
//! freed, once. It is queued in the queue that every `struct Qdisc` has, or in the lists
//! ([`SkbList`](super::SkbList)) of the state, which belong to the one qdisc (`'q`). The
//! length of the queue, the backlog, and the counts of this qdisc and its parents are kept
//! where packets move: by [`Enqueue`], [`Dequeue`], [`Change`] and [`Reset`].
//!
//! So each packet that is sent, or dropped by `drop()` or `reject()`, is counted once: as sent, as
//! dropped, or as one that waits. In C, some kinds do not count the packets that a change drops,
//! and no kind counts those that a reset drops; a packet that a parent has peeked at counts as
//! sent while it waits. A packet that the device returns (`requeues` in `tc -s`) waits again, and
//! stays counted as sent.
//!
//! # Flows
//!
//! A kind with many queues shows them as classes (`tc -s class`) if it has
//! [`flow_count`](Qdisc::flow_count); then users may add filters (`tc filter`) that
//! [`Enqueue::classify`] asks. The class `HANDLE:N` is flow `N - 1`.

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

/// What user space is told of a flow.
pub struct FlowStats<S> {
    /// The packets that wait in it.
    pub qlen: u32,
    /// Their bytes.
    pub backlog: u32,
    /// The statistics of this kind.
    pub stats: S,
}

/// A kind of queueing discipline.
///
/// The C side is `struct Qdisc_ops`.
#[vtable]
pub trait Qdisc: Sized + 'static {
    /// The name of the kind, at most 15 bytes.
    const ID: &'static CStr;

    /// The state of the qdisc `'q`. Between calls, the lifetime ends for none of them.
    type State<'q>: Send;

    /// What a user can set: the options of one request, each there or not.
    ///
    /// The default is a request without options.
    type Config: Default;

    /// The statistics of this kind, as user space knows them: of a qdisc, and of a flow.
    /// `[u8; 0]` if there are none.
    type Stats: AsBytes;

    /// Reads the options of a request.
    ///
    /// # Errors
    ///
    /// An errno refuses the request: the qdisc is not made, or stays as it is. `ack` can
    /// say why.
    ///
    /// # Context
    ///
    /// RTNL; may sleep.
    fn parse(options: Nested<'_>, ack: &mut ExtAck<'_>) -> Result<Self::Config>;

    /// Makes the state of a new qdisc.
    ///
    /// # Errors
    ///
    /// An errno from the initialiser refuses the qdisc.
    ///
    /// # Context
    ///
    /// RTNL; may sleep. No packet comes before the initialiser has succeeded.
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

    /// Takes the next packet to send out of the queue; [`None`] when there is none now.
    ///
    /// The kernel may peek at the packet before it sends it: that is a call of this, after
    /// which the packet waits in front of the queue.
    ///
    /// # Context
    ///
    /// Root lock, bottom halves disabled.
    fn dequeue<'q, 'call>(
        state: Pin<&mut Self::State<'q>>,
        sch: &mut Dequeue<'q, 'call>,
    ) -> Option<SkBuff<'call>>;

    /// Whether [`dequeue`](Self::dequeue) would find no packet, and change nothing.
    ///
    /// It is asked first: the kernel dequeues until there is nothing left, after each packet
    /// if they come one by one.
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
    /// An errno refuses the change: the qdisc stays as it is. `ack` can say why.
    ///
    /// # Context
    ///
    /// Root lock, bottom halves disabled; RTNL. Must not sleep.
    fn check(state: &Self::State<'_>, config: &Self::Config, ack: &mut ExtAck<'_>) -> Result {
        let (_, _, _) = (state, config, ack);
        Ok(())
    }

    /// Puts a new configuration in force, which `parse` and `check` have accepted.
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

    /// Sets the state back to that of an empty queue, and purges its lists ([`Reset::purge`]). The
    /// qdisc's own queue is emptied afterwards. All packets that wait are counted as dropped.
    ///
    /// If some are purged by nobody, the qdisc sends nothing any more, and the log says so: the
    /// device may have fewer transmit queues now, and a packet says which one it is for.
    ///
    /// # Context
    ///
    /// Root lock or no one else around; RTNL; must not sleep.
    fn reset<'q>(state: Pin<&mut Self::State<'q>>, sch: &mut Reset<'q>) {
        let (_, _) = (state, sch);
    }

    /// Writes the configuration as attributes that [`parse`](Self::parse) understands.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` when the message is full.
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

    /// Adds what there is to tell beyond the [`Stats`](Self::Stats).
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` when there is no room left.
    ///
    /// # Context
    ///
    /// Root lock, bottom halves disabled; RTNL. So for the next one.
    fn details(state: &Self::State<'_>, sch: &Sch, out: &mut Details) -> Result {
        let (_, _, _) = (state, sch, out);
        Ok(())
    }

    /// Returns statistics that are added behind the details when the lock is released: what takes
    /// long to write, and needs no lock.
    fn unlocked_details(state: &Self::State<'_>) -> Option<Arc<dyn UnlockedDetails>> {
        let _ = state;
        None
    }

    /// Returns how many flows there are, which does not change; at most 65,536 can be told
    /// apart.
    ///
    /// A kind without this method has no classes and no filters.
    ///
    /// # Context
    ///
    /// Root lock, bottom halves disabled; RTNL. So for the next three.
    fn flow_count(state: &Self::State<'_>) -> u32 {
        let _ = state;
        0
    }

    /// Whether user space is to see a flow.
    fn flow_in_use(state: &Self::State<'_>, flow: u32) -> bool {
        let (_, _) = (state, flow);
        false
    }

    /// Returns what there is to tell of a flow; [`None`] if there is no such flow.
    fn flow_stats(state: &Self::State<'_>, flow: u32) -> Option<FlowStats<Self::Stats>> {
        let (_, _) = (state, flow);
        None
    }

    /// Adds what there is to tell of a flow beyond that.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` when there is no room left.
    fn flow_details(state: &Self::State<'_>, flow: u32, out: &mut Details) -> Result {
        let (_, _, _) = (state, flow, out);
        Ok(())
    }
}
