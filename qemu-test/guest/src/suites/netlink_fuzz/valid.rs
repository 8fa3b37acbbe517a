// SPDX-License-Identifier: GPL-2.0

//! Generates messages that `tc` could send. These are then mutated.
//!
//! C header: `include/uapi/linux/pkt_sched.h` and `pkt_cls.h`.

use fastrand::Rng;

use super::message::{Attribute, Kind, Message, Payload};

/// `RTM_NEWQDISC`. The types to delete and to get follow it, for the other objects as well.
pub const QDISC: u16 = 36;
/// `RTM_NEWTCLASS`.
pub const CLASS: u16 = 40;
/// `RTM_NEWTFILTER`.
pub const FILTER: u16 = 44;
/// `RTM_NEWCHAIN`.
pub const CHAIN: u16 = 100;

/// The types of all objects.
pub const OBJECTS: [u16; 4] = [QDISC, CLASS, FILTER, CHAIN];

const DELETE: u16 = 1;
/// The offset from the type that creates an object to the type that gets it.
pub const GET: u16 = 2;

/// `NLM_F_REQUEST` and `NLM_F_ACK`.
const ORDER: u16 = 0x5;
/// `NLM_F_REQUEST` and `NLM_F_DUMP`.
const DUMP: u16 = 0x301;

/// `TC_H_ROOT`.
const ROOT: u32 = u32::MAX;

const TCA_KIND: u16 = 1;
/// The attribute that holds the options of the kind.
pub const TCA_OPTIONS: u16 = 2;

/// Values at which the behaviour changes, and some values in between.
const EDGES: [u32; 14] = [
    0,
    1,
    2,
    5,
    64,
    1000,
    1024,
    5000,
    65_536,
    65_537,
    100_000,
    0x7fff_ffff,
    0x8000_0000,
    u32::MAX,
];

/// Returns a number, which is often one of `EDGES`.
pub fn number(rng: &mut Rng) -> u32 {
    match rng.u8(..4) {
        0 => rng.u32(..),
        1 => rng.u32(..300),
        _ => pick(rng, &EDGES),
    }
}

/// Returns one of these values.
pub fn pick<T: Copy>(rng: &mut Rng, all: &[T]) -> T {
    all[rng.usize(..all.len())]
}

/// Returns a kind under test.
pub fn twin(rng: &mut Rng) -> Kind {
    pick(rng, &[Kind::Codel, Kind::FqCodel])
}

/// Returns a message about the device with this index.
pub fn message(rng: &mut Rng, index: i32) -> Message {
    let mut message = match rng.u8(..20) {
        0..=8 => put(rng),
        9 => parent(rng),
        10 => Message {
            kind: QDISC + DELETE,
            flags: ORDER,
            ..Message::default()
        },
        11 => Message {
            kind: QDISC + GET,
            flags: ORDER,
            ..Message::default()
        },
        12..=13 => Message {
            kind: pick(rng, &OBJECTS) + GET,
            flags: DUMP,
            ..Message::default()
        },
        14..=15 => class(rng),
        _ => filter(rng),
    };
    message.index = index;
    if matches!(message.kind, QDISC..FILTER) && message.parent == 0 {
        message.parent = place(rng);
    }
    message
}

/// Returns the parent of a qdisc: the root as often as another qdisc.
fn place(rng: &mut Rng) -> u32 {
    pick(rng, &[ROOT, ROOT, ROOT, 0x1_0001, 0x1_0002, 0x1_0003])
}

/// Adds, replaces or changes one of the kinds under test.
fn put(rng: &mut Rng) -> Message {
    let kind = twin(rng);
    let mut attributes = vec![Attribute::new(TCA_KIND, Payload::Kind(kind))];
    if rng.u8(..4) > 0 {
        let options = options(rng, kind);
        attributes.push(Attribute::new(TCA_OPTIONS, Payload::Nest(options)));
    }
    match rng.u8(..8) {
        // TCA_RATE: struct gnet_estimator.
        0 => attributes.push(Attribute::bytes(5, [rng.u8(..6), rng.u8(..12)])),
        1 => attributes.push(Attribute::new(8, Payload::Nest(size_table(rng)))),
        _ => {}
    }
    Message {
        kind: QDISC,
        // The flags are: create exclusively, create or replace, replace, and change.
        flags: ORDER | pick(rng, &[0x600, 0x600, 0x500, 0x100, 0]),
        handle: pick(rng, &[0, 0, 0x1_0000, 0x2_0000, 0xa_0000]),
        attributes,
        ..Message::default()
    }
}

/// Returns options: `TCA_CODEL_*` or `TCA_FQ_CODEL_*`.
fn options(rng: &mut Rng, kind: Kind) -> Vec<Attribute> {
    let last = if kind == Kind::Codel { 5 } else { 11 };
    let mut options = Vec::new();
    for number_of in 1..=last {
        if rng.bool() {
            continue;
        }
        options.push(match number_of {
            // The selector and its mask are bytes.
            10 | 11 => Attribute::bytes(number_of, [rng.u8(..)]),
            _ => Attribute::u32(number_of, number(rng)),
        });
    }
    rng.shuffle(&mut options);
    options
}

/// Returns the attributes of a size table: `TCA_STAB_BASE`, which is a `struct tc_sizespec`, and
/// `TCA_STAB_DATA`.
fn size_table(rng: &mut Rng) -> Vec<Attribute> {
    let entries = rng.u32(..9);
    let mut base = vec![rng.u8(..12), rng.u8(..12), 0, 0];
    for word in [rng.u32(..64), rng.u32(..3), 64, 2047, entries] {
        base.extend(word.to_ne_bytes());
    }
    let data: Vec<u8> = (0..2 * entries).map(|_| rng.u8(..)).collect();
    vec![Attribute::bytes(1, base), Attribute::bytes(2, data)]
}

/// Adds a qdisc with classes at the root, as a parent of others: `prio` with three bands, or a slow
/// `tbf`, so that packets wait.
fn parent(rng: &mut Rng) -> Message {
    let (kind, options) = if rng.bool() {
        // struct tc_prio_qopt, which maps all packets to the first band.
        let bands = [&3u32.to_ne_bytes()[..], &[0; 16]].concat();
        (Kind::Other("prio"), Payload::Bytes(bands))
    } else {
        // struct tc_tbf_qopt: two rates of Ethernet, 12,500 bytes/s and no peak rate; limit, burst
        // (in units of 64 ns) and MTU.
        let mut shape = vec![0, 1, 0, 0, 0, 0, 0, 0];
        shape.extend(12_500u32.to_ne_bytes());
        shape.extend([0; 12]);
        for word in [3000u32, 2_500_000, 0] {
            shape.extend(word.to_ne_bytes());
        }
        let shape = vec![Attribute::bytes(1, shape)];
        (Kind::Other("tbf"), Payload::Nest(shape))
    };
    Message {
        kind: QDISC,
        flags: ORDER | 0x500,
        handle: 0x1_0000,
        parent: ROOT,
        attributes: vec![
            Attribute::new(TCA_KIND, Payload::Kind(kind)),
            Attribute::new(TCA_OPTIONS, options),
        ],
        ..Message::default()
    }
}

/// Returns a message about a class, which may not exist.
fn class(rng: &mut Rng) -> Message {
    let kind = Payload::Kind(twin(rng));
    let mut attributes = vec![Attribute::new(TCA_KIND, kind)];
    if rng.bool() {
        let inner = vec![Attribute::u32(1, number(rng))];
        attributes.push(Attribute::new(TCA_OPTIONS, Payload::Nest(inner)));
    }
    Message {
        kind: CLASS + rng.u16(..=GET),
        flags: ORDER | pick(rng, &[0, 0x400, 0x600]),
        handle: pick(rng, &[0, 0x1_0000, 0x2_0000, 0xa_0000]) | rng.u32(..1030),
        parent: pick(rng, &[ROOT, 0, 0x1_0000, 0x1_0001, 0xa_0000]),
        attributes,
        ..Message::default()
    }
}

/// Returns a message about a filter or a chain of filters.
fn filter(rng: &mut Rng) -> Message {
    let class = Attribute::u32(1, pick(rng, &[0x1_0001, 0xa_0001, 0xa_0000, 0, ROOT]));
    let (name, options) = match rng.u8(..3) {
        0 => ("matchall", vec![class]),
        1 => ("basic", vec![class]),
        _ => {
            // TCA_U32_SEL: struct tc_u32_sel, terminal, with one key that matches all packets.
            let mut selector = vec![1, 0, 1, 0];
            selector.resize(32, 0);
            ("u32", vec![class, Attribute::bytes(5, selector)])
        }
    };
    let mut attributes = vec![
        Attribute::new(TCA_KIND, Payload::Kind(Kind::Other(name))),
        Attribute::new(TCA_OPTIONS, Payload::Nest(options)),
    ];
    if rng.u8(..4) == 0 {
        // TCA_CHAIN
        attributes.push(Attribute::u32(11, rng.u32(..4)));
    }
    let object = pick(rng, &[FILTER, FILTER, FILTER, CHAIN]);
    Message {
        kind: object + pick(rng, &[0, 0, 0, DELETE, GET]),
        flags: ORDER | pick(rng, &[0, 0x400, 0x500, 0x600]),
        parent: pick(rng, &[0, ROOT, 0x1_0000, 0x2_0000, 0xa_0000]),
        handle: rng.u32(..3),
        // The priority, and ETH_P_ALL.
        info: (rng.u32(..5) << 16) | u32::from(3u16.to_be()),
        attributes,
        ..Message::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_messages() {
        let run = |seed| {
            let mut rng = Rng::with_seed(seed);
            (0..100).map(|_| message(&mut rng, 2)).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn every_order_about_every_object_comes_up() {
        let mut rng = Rng::with_seed(1);
        let kinds: std::collections::BTreeSet<_> =
            (0..5000).map(|_| message(&mut rng, 2).kind).collect();
        let expected = OBJECTS.iter().flat_map(|object| *object..=object + GET);
        assert_eq!(kinds, expected.collect());
    }
}
