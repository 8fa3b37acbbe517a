// SPDX-License-Identifier: GPL-2.0

//! Encodes and decodes CoDel's options and statistics in netlink messages.
//!
//! C header: `include/uapi/linux/pkt_sched.h`, `TCA_CODEL_*` and
//! `struct tc_codel_xstats`.

use std::sync::LazyLock;

use anyhow::{ensure, Context, Result};
use netlink_packet_core::{DefaultNla, Emitable, NlasIterator};
use regex::{Captures, Regex};
use tackle_core::codel::Time;

const TARGET: u16 = 1;
const LIMIT: u16 = 2;
const INTERVAL: u16 = 3;
const ECN: u16 = 4;
const CE_THRESHOLD: u16 = 5;

/// The options of a CoDel queue. `None` is an option that is not sent, or was not received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The maximum number of packets in the queue.
    pub limit: Option<u32>,
    /// The acceptable delay, in microseconds.
    pub target: Option<u32>,
    /// How long the delay may exceed the target, in microseconds.
    pub interval: Option<u32>,
    /// 1: mark packets instead of dropping them, if the flow supports ECN.
    pub ecn: Option<u32>,
    /// The delay above which every packet is marked, in microseconds.
    pub ce_threshold: Option<u32>,
}

impl Options {
    /// Returns the attributes for `TCA_OPTIONS`.
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

    /// Reads the attributes of `TCA_OPTIONS`.
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

    /// Returns the options that `rcodel` shows after it was given these. It stores times in units
    /// of 1024 ns. Times are rounded down when they are set, and up when they are shown.
    pub fn as_shown(self) -> Self {
        self.with_times(|us| Time::from_us(us).to_option_us())
    }

    /// Returns the options that `rcodel` shows when `codel` shows these.
    pub fn rounded_up(self) -> Self {
        self.with_times(rounded_up)
    }

    fn with_times(self, change: fn(u32) -> u32) -> Self {
        Self {
            target: self.target.map(change),
            interval: self.interval.map(change),
            ce_threshold: self.ce_threshold.map(change),
            ..self
        }
    }

    /// Returns the default options of `rcodel`, as it shows them (`codel_params_init()`).
    pub fn default_as_shown() -> Self {
        Self {
            limit: Some(1000),
            target: Some(5_000),
            interval: Some(100_000),
            ecn: Some(0),
            ce_threshold: None,
        }
    }
}

/// The attributes of `codel` and `fq_codel` that are times.
pub const TIMES: [u16; 3] = [TARGET, INTERVAL, CE_THRESHOLD];
/// See [`TIMES`].
pub const FQ_TIMES: [u16; 3] = [1, 3, 7];

/// Converts a time in microseconds as shown by the C code, which rounds down, into the time that
/// our kinds show.
pub fn rounded_up(us: u32) -> u32 {
    let units = (u64::from(us) * 1000).div_ceil(1024);
    Time(u32::try_from(units).unwrap_or(u32::MAX)).to_option_us()
}

/// Returns an output of `tc` for a kind in C, as text or JSON, with its times [rounded
/// up](rounded_up).
pub fn rounded_up_in(text: &str) -> String {
    static TIME: LazyLock<Regex> = LazyLock::new(|| {
        let name = "(?:target|interval|ce_threshold)";
        let pattern =
            format!(r#"(?<key>\b{name} )(?<us>\d+)us|(?<json>"{name}": ?)(?<number>\d+)"#);
        Regex::new(&pattern).expect("a fixed pattern")
    });
    let up = |found: &Captures<'_>| {
        let [key, json, us, number] = ["key", "json", "us", "number"]
            .map(|name| found.name(name).map_or("", |found| found.as_str()));
        let time = format!("{us}{number}").parse().map_or(u32::MAX, rounded_up);
        match (json, time) {
            // `tc` prints 1000 us like this.
            ("", 1000) => format!("{key}1ms"),
            ("", us) => format!("{key}{us}us"),
            (json, us) => format!("{json}{us}"),
        }
    };
    TIME.replace_all(text, up).into_owned()
}

/// Returns the options of a kind in C, with these attributes [rounded up](rounded_up).
///
/// # Errors
///
/// An attribute is malformed.
pub fn times_rounded_up(options: &[u8], times: &[u16]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for option in NlasIterator::new(options) {
        let option = option.context("a malformed attribute in the options")?;
        let value = match option.value().try_into() {
            Ok(us) if times.contains(&option.kind()) => {
                rounded_up(u32::from_ne_bytes(us)).to_ne_bytes().to_vec()
            }
            _ => option.value().to_vec(),
        };
        bytes.extend(attribute(option.kind(), &value));
    }
    Ok(bytes)
}

/// Returns one attribute with this payload and padding.
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
    /// Drops since the queue last entered the dropping state.
    pub count: u32,
    /// The value of `count` when it last entered the dropping state.
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

    /// Reads the C structure, which further data may follow.
    ///
    /// # Errors
    ///
    /// The structure is incomplete.
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
    fn times_are_shown_rounded_up() {
        let asked = Options {
            target: Some(5000),
            interval: Some(43),
            limit: Some(3),
            ..Options::default()
        };
        let expected = Options {
            interval: Some(42),
            ..asked
        };
        assert_eq!(asked.as_shown(), expected);
        let theirs = Options {
            target: Some(4999),
            interval: Some(41),
            ..asked
        };
        assert_eq!(theirs.rounded_up(), expected);
        assert_eq!(
            [0, 79, 2_199_023_253].map(rounded_up),
            [0, 80, 2_199_023_254]
        );
    }

    #[test]
    fn times_are_rounded_up_in_texts() {
        for (theirs, ours) in [
            (
                "limit 5p target 79us interval 5ms ",
                "limit 5p target 80us interval 5ms ",
            ),
            ("ce_threshold 999us ecn", "ce_threshold 1ms ecn"),
            ("target 2us interval 1.5s", "target 3us interval 1.5s"),
            (
                r#"{"limit":79,"target":4999}"#,
                r#"{"limit":79,"target":5000}"#,
            ),
            (r#""interval": 99999,"#, r#""interval": 100000,"#),
        ] {
            assert_eq!(rounded_up_in(theirs), ours);
        }
    }

    #[test]
    fn times_are_rounded_up_among_options() {
        let number = |kind, value: u32| attribute(kind, &value.to_ne_bytes());
        let theirs = [number(1, 4999), number(2, 4999), attribute(3, &[9])].concat();
        let ours = [number(1, 5000), number(2, 4999), attribute(3, &[9])].concat();
        assert_eq!(times_rounded_up(&theirs, &TIMES).unwrap(), ours);
        assert!(times_rounded_up(&[40, 0, 1, 0], &TIMES).is_err());
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
