// SPDX-License-Identifier: GPL-2.0

//! A queueing discipline as a starting point: a FIFO queue with a limit.
//!
//! ```sh
//! insmod qdisc_fifo.ko
//! tc qdisc add dev eth0 root fifo_sample
//! ```
//!
//! `Documentation/qdisc.rst` explains this file.

#![forbid(unsafe_code)]

use tackle::prelude::qdisc::*;

tackle::module! {
    type: Module,
    name: "qdisc_fifo",
    authors: ["The Tackle developers"],
    description: "A first-in first-out queue discipline",
    license: "GPL",
    alias: ["net-sch-fifo_sample"],
}

struct Module(#[expect(dead_code)] Registration<Fifo>);

impl kernel::Module for Module {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Registration::new().map(Self)
    }
}

struct Fifo;

#[vtable]
impl Qdisc for Fifo {
    const ID: &'static CStr = c"fifo_sample";
    type State<'q> = SkbList<'q>;
    type Config = ();
    type Stats = [u8; 0];

    fn parse(_options: Nested<'_>, ack: &mut ExtAck<'_>) -> Result {
        ack.set(c"fifo_sample has no options");
        Err(EINVAL)
    }

    fn init<'q>((): (), setup: &mut Setup<'_>) -> impl PinInit<SkbList<'q>, Error> {
        setup.set_limit(1000);
        Ok(SkbList::new())
    }

    fn enqueue<'q, 'call>(
        list: Pin<&mut SkbList<'q>>,
        sch: &mut Enqueue<'q, 'call>,
        packet: SkBuff<'call>,
    ) -> Outcome<'call> {
        if sch.qlen() < sch.limit() {
            sch.push_to(list.get_mut(), packet)
        } else {
            sch.reject(packet, DropReason::OverLimit)
        }
    }

    fn dequeue<'q, 'call>(
        list: Pin<&mut SkbList<'q>>,
        sch: &mut Dequeue<'q, 'call>,
    ) -> Option<SkBuff<'call>> {
        sch.pop_from(list.get_mut())
    }

    fn reset<'q>(list: Pin<&mut SkbList<'q>>, sch: &mut Reset<'q>) {
        sch.purge(list.get_mut());
    }

    fn dump(_: &SkbList<'_>, _sch: &Sch, _options: &mut Nest<'_>) -> Result {
        Ok(())
    }

    fn stats(_: &SkbList<'_>, _sch: &Sch) -> [u8; 0] {
        []
    }
}
