// SPDX-License-Identifier: GPL-2.0

//! CoDel's options and statistics as they travel over netlink.
//!
//! C header: `include/uapi/linux/pkt_sched.h`, `TCA_CODEL_*` and
//! `struct tc_codel_xstats`.

use anyhow::{ensure, Context, Result};
use netlink_packet_core::{DefaultNla, Emitable, NlasIterator};

const TARGET: u16 = 1;
const LIMIT: u16 = 2;
const INTERVAL: u16 = 3;
const ECN: u16 = 4;
const CE_THRESHOLD: u16 = 5;

/// The options of a CoDel queue; one that is absent is not sent, or was not
/// there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Packets that the queue may hold.
    pub limit: Option<u32>,
    /// Delay to stay below, in microseconds.
    pub target: Option<u32>,
    /// Time the delay may be above the target, in microseconds.
    pub interval: Option<u32>,
    /// 1: mark packets instead of dropping them where the flow allows it.
    pub ecn: Option<u32>,
    /// Delay above which every packet is marked, in microseconds.
    pub ce_threshold: Option<u32>,
}

impl Options {
    /// The attributes as they go into `TCA_OPTIONS`.
    pub fn encode(&self) -> Vec<u8> {
        let fields = [
            (TARGET, self.target),
            (LIMIT, self.limit),
            (INTERVAL, self.interval),
            (ECN, self.ecn),
            (CE_THRESHOLD, self.ce_threshold),
        ];
        let attributes: Vec<_> = fields
            .into_iter()
            .filter_map(|(kind, value)| Some(attribute(kind, &value?.to_ne_bytes())))
            .collect();
        attributes.concat()
    }

    /// Reads the attributes that came in `TCA_OPTIONS`.
    ///
    /// # Errors
    ///
    /// An attribute is malformed, is not 4 bytes long or is not known.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut options = Self::default();
        for attribute in NlasIterator::new(bytes) {
            let attribute = attribute.context("a malformed attribute in the options")?;
            let field = match attribute.kind() {
                TARGET => &mut options.target,
                LIMIT => &mut options.limit,
                INTERVAL => &mut options.interval,
                ECN => &mut options.ecn,
                CE_THRESHOLD => &mut options.ce_threshold,
                other => anyhow::bail!("unknown attribute {other} in the options"),
            };
            let value = attribute
                .value()
                .try_into()
                .with_context(|| format!("attribute {} is not 4 bytes long", attribute.kind()))?;
            *field = Some(u32::from_ne_bytes(value));
        }
        Ok(options)
    }

    /// What a kernel shows after taking these options: it keeps times in
    /// units of 1024 ns, rounded down on the way in and on the way out.
    pub fn as_shown(self) -> Self {
        let round = |time: Option<u32>| time.map(|us| shown_us(u64::from(us) * 1000));
        Self {
            target: round(self.target),
            interval: round(self.interval),
            ce_threshold: round(self.ce_threshold),
            ..self
        }
    }

    /// What a new queue has without options (`codel_params_init()`).
    pub fn default_as_shown() -> Self {
        Self {
            limit: Some(1000),
            target: Some(shown_us(5_000_000)),
            interval: Some(shown_us(100_000_000)),
            ecn: Some(0),
            ce_threshold: None,
        }
    }
}

/// A time in nanoseconds as CoDel shows it, in microseconds.
fn shown_us(ns: u64) -> u32 {
    (((ns >> 10) << 10) / 1000) as u32
}

/// One attribute, padded, with any payload.
pub fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let nla = DefaultNla::new(kind, payload.to_vec());
    let mut bytes = vec![0; nla.buffer_len()];
    nla.emit(&mut bytes);
    bytes
}

/// Statistics of a CoDel queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Xstats {
    /// Size of the largest packet seen, in bytes.
    pub maxpacket: u32,
    /// Drops since the queue last began to drop.
    pub count: u32,
    /// The count when it last began to drop.
    pub lastcount: u32,
    /// Delay of the packet that left last, in microseconds.
    pub ldelay: u32,
    /// Time until the next drop, in microseconds.
    pub drop_next: i32,
    /// Packets dropped because the queue was full.
    pub drop_overlimit: u32,
    /// Packets marked instead of dropped.
    pub ecn_mark: u32,
    /// Whether the queue is dropping.
    pub dropping: u32,
    /// Packets marked because of the threshold.
    pub ce_mark: u32,
}

impl Xstats {
    /// Size of the C structure in bytes.
    pub const SIZE: usize = 36;

    /// Reads the C structure, behind which there may be more.
    ///
    /// # Errors
    ///
    /// It is cut off.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        ensure!(
            bytes.len() >= Self::SIZE,
            "expected xstats of {} bytes at least, got {}",
            Self::SIZE,
            bytes.len()
        );
        let word = |index: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&bytes[4 * index..4 * index + 4]);
            u32::from_ne_bytes(word)
        };
        Ok(Self {
            maxpacket: word(0),
            count: word(1),
            lastcount: word(2),
            ldelay: word(3),
            drop_next: word(4) as i32,
            drop_overlimit: word(5),
            ecn_mark: word(6),
            dropping: word(7),
            ce_mark: word(8),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_survive_the_way_there_and_back() {
        let options = Options {
            limit: Some(7),
            target: Some(1),
            interval: Some(u32::MAX),
            ecn: Some(1),
            ce_threshold: Some(1000),
        };
        let bytes = options.encode();
        assert_eq!(bytes.len(), 5 * 8);
        assert_eq!(Options::decode(&bytes).unwrap(), options);
        assert_eq!(Options::decode(&[]).unwrap(), Options::default());
    }

    #[test]
    fn an_attribute_is_length_kind_payload_and_padding() {
        assert_eq!(attribute(2, &[9, 8]), [6, 0, 2, 0, 9, 8, 0, 0]);
    }

    #[test]
    fn malformed_options_are_refused() {
        assert!(Options::decode(&attribute(1, &[1, 2])).is_err());
        assert!(Options::decode(&attribute(99, &[1, 2, 3, 4])).is_err());
        assert!(Options::decode(&[40, 0, 1, 0, 0, 0]).is_err());
    }

    #[test]
    fn times_lose_what_the_kernel_shifts_out() {
        let shown = Options::default_as_shown();
        assert_eq!(shown.target, Some(4999));
        assert_eq!(shown.interval, Some(99_999));
        let asked = Options {
            target: Some(5000),
            limit: Some(3),
            ..Options::default()
        };
        assert_eq!(asked.as_shown().target, shown.target);
        assert_eq!(asked.as_shown().limit, Some(3));
    }

    #[test]
    fn xstats_are_nine_words() {
        let bytes: Vec<u8> = (1..=9u32).flat_map(u32::to_ne_bytes).collect();
        let xstats = Xstats::decode(&bytes).unwrap();
        assert_eq!((xstats.maxpacket, xstats.drop_next), (1, 5));
        assert_eq!((xstats.drop_overlimit, xstats.ce_mark), (6, 9));
        assert!(Xstats::decode(&bytes[1..]).is_err());
        let more = [&bytes[..], &[8, 0, 2, 0, 1, 0, 0, 0]].concat();
        assert_eq!(Xstats::decode(&more).unwrap(), xstats);
    }
}
