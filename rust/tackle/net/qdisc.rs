// SPDX-License-Identifier: GPL-2.0

//! Queueing disciplines: what `tc qdisc add ... KIND` puts in front of a device.
//!
//! C headers: [`include/net/sch_generic.h`](srctree/include/net/sch_generic.h),
//! [`include/net/pkt_sched.h`](srctree/include/net/pkt_sched.h)
//!
//! A kind of qdisc is a type that implements [`Qdisc`]; a [`Registration`] makes it known
//! to the kernel. A value of the type is one qdisc's state, in the memory that the kernel
//! allocates behind its `struct Qdisc`.
//!
//! # Locking
//!
//! Every qdisc stands in the tree of a transmit queue, whose root has a lock.
//!
//! | called | with | on the state |
//! | --- | --- | --- |
//! | [`enqueue`](Qdisc::enqueue), [`dequeue`](Qdisc::dequeue) | root lock, by the kernel | `&mut` |
//! | [`change`](Qdisc::change) | root lock, by this module; RTNL | `&mut` |
//! | [`dump`](Qdisc::dump), [`stats`](Qdisc::stats) | root lock, by this module; RTNL | `&` |
//! | [`reset`](Qdisc::reset) | root lock, or RTNL and unreachable | `&mut` |
//! | [`init`](Qdisc::init), drop | RTNL; not reachable yet or any more | made, owned |
//! | [`parse`](Qdisc::parse) | RTNL | none |
//!
//! So the state needs no lock and no atomics of its own. In C, `codel` shows its state
//! without the lock, field by field; here a dump is consistent, and the hot path need not
//! care who reads. A dump holds the lock for less than a microsecond.
//!
//! # What an implementation cannot get wrong
//!
//! A packet ([`SkBuff`]) is owned, and lives for one call: it is sent, queued, or freed,
//! once. The length of the queue, the backlog, and the counts of this qdisc and its
//! parents are kept where packets move: by [`Enqueue`] and [`Dequeue`].

mod lock;
pub(crate) mod ops;
mod packets;
mod registration;
mod sch;
mod settings;

use super::{
    netlink::{ExtAck, Nest, Nested},
    SkBuff,
};
use kernel::{prelude::*, transmute::AsBytes};

pub use packets::{Dequeue, Enqueue, Outcome};
pub use registration::Registration;
pub use sch::Sch;
pub use settings::{Change, Setup};

/// A kind of queueing discipline: the state of one.
///
/// The C side is `struct Qdisc_ops`.
#[vtable]
pub trait Qdisc: Send + Sized + 'static {
    /// The name of the kind, at most 15 bytes.
    const ID: &'static CStr;

    /// What a user can set: the options of one request, each there or not.
    ///
    /// The default is a request without options.
    type Config: Default;

    /// The statistics of this kind, as user space knows them.
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
    fn init(config: Self::Config, setup: &mut Setup<'_>) -> impl PinInit<Self, Error>;

    /// Queues or rejects a packet.
    ///
    /// # Context
    ///
    /// Root lock, bottom halves disabled.
    fn enqueue<'call>(
        self: Pin<&mut Self>,
        sch: &mut Enqueue<'call>,
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
    fn dequeue<'call>(self: Pin<&mut Self>, sch: &mut Dequeue<'call>) -> Option<SkBuff<'call>>;

    /// Puts a new configuration in force, of which `parse` has approved.
    ///
    /// Without this method, requests to change a qdisc are refused with `EINVAL`.
    ///
    /// # Context
    ///
    /// Root lock, bottom halves disabled; RTNL.
    fn change(self: Pin<&mut Self>, sch: &mut Change<'_>, config: Self::Config) {
        let (_, _) = (sch, config);
    }

    /// Sets the state back to that of an empty queue. The queue is emptied afterwards.
    ///
    /// # Context
    ///
    /// Root lock or no one else around; RTNL; must not sleep.
    fn reset(self: Pin<&mut Self>) {}

    /// Writes the configuration as attributes that [`parse`](Self::parse) understands.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` when the message is full.
    ///
    /// # Context
    ///
    /// Root lock, bottom halves disabled; RTNL.
    fn dump(&self, sch: &Sch, options: &mut Nest<'_>) -> Result;

    /// Returns the statistics.
    ///
    /// # Context
    ///
    /// Root lock, bottom halves disabled; RTNL.
    fn stats(&self, sch: &Sch) -> Self::Stats;
}
