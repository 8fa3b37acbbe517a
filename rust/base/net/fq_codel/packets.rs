// SPDX-License-Identifier: GPL-2.0

//! Implements the traits of [`tackle_core::fq_codel`] through which the scheduler handles the
//! packets of a qdisc.

use crate::net::{
    codel,
    qdisc::{Change, Dequeue, Enqueue, Outcome, Sch},
    DropReason, SkBuff, SkbList,
};
use kernel::transmute::{AsBytes, FromBytes};
use tackle_core::{
    codel::Time,
    fq_codel::{self, Note, Packets, Trim},
};

/// A [`Note`] in the format in which it is stored in a packet.
#[derive(Clone, Copy)]
#[repr(C)]
struct Noted {
    at: u32,
    memory: u32,
}

// SAFETY: Two integers without padding.
unsafe impl AsBytes for Noted {}
// SAFETY: Two integers: all bit patterns are valid.
unsafe impl FromBytes for Noted {}

/// Implements [`Packets`] for the type of a call. The expression drops a packet in such a call.
macro_rules! packets {
    ($call:ident, $drop:expr) => {
        impl<'q, 'call> Packets for $call<'q, 'call> {
            type Packet = SkBuff<'call>;
            type List = SkbList<'q>;

            #[inline]
            fn now(&self) -> Time {
                codel::now()
            }

            #[inline]
            fn qlen(&self) -> u32 {
                Sch::qlen(self)
            }

            #[inline]
            fn pop(&mut self, list: &mut SkbList<'q>) -> Option<SkBuff<'call>> {
                self.pop_from(list)
            }

            #[inline]
            fn drop(&mut self, packet: SkBuff<'call>) {
                let drop: fn(&mut Self, SkBuff<'call>) = $drop;
                drop(self, packet);
            }

            #[inline]
            fn len(packet: &SkBuff<'call>) -> u32 {
                packet.len()
            }

            #[inline]
            fn note(packet: &SkBuff<'call>) -> Note {
                let Noted { at, memory } = packet.note();
                Note {
                    at: Time(at),
                    memory,
                }
            }
        }
    };
}

packets!(Enqueue, |call, packet| call
    .drop(packet, DropReason::OverLimit));
packets!(Dequeue, |call, packet| call
    .drop(packet, DropReason::Congested));
packets!(Change, Change::drop);

impl fq_codel::Enqueue for Enqueue<'_, '_> {
    #[inline]
    fn push(&mut self, list: &mut Self::List, packet: Self::Packet) {
        let _: Outcome<'_> = self.push_to(list, packet);
    }

    #[inline]
    fn memory(packet: &Self::Packet) -> u32 {
        packet.uncharged_memory()
    }

    #[inline]
    fn set_note(packet: &mut Self::Packet, note: Note) {
        packet.set_note(Noted {
            at: note.at.0,
            memory: note.memory,
        });
    }
}

/// Implements [`fq_codel::Dequeue`] for the type of a call.
macro_rules! dequeue {
    ($call:ident) => {
        impl fq_codel::Dequeue for $call<'_, '_> {
            #[inline]
            fn backlog(&self) -> u32 {
                Sch::backlog(self)
            }

            #[inline]
            fn mark(&mut self, packet: &mut Self::Packet) -> bool {
                packet.set_ce()
            }

            #[inline]
            fn dsfield(&mut self, packet: &mut Self::Packet) -> Option<u8> {
                packet.dsfield()
            }
        }
    };
}

dequeue!(Dequeue);
dequeue!(Change);

impl Trim for Change<'_, '_> {
    fn pop_parked(&mut self) -> Option<Self::Packet> {
        self.pop_parked()
    }

    fn discard(&mut self, packet: Self::Packet) {
        self.drop(packet);
    }
}
