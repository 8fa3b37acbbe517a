// SPDX-License-Identifier: GPL-2.0

//! `rcodel`: the CoDel queueing discipline, with the options and statistics of `codel`.
//!
//! ```sh
//! tc qdisc add dev eth0 root rcodel
//! ```
//!
//! One queue, first in, first out. When packets wait in it for longer than `target` all
//! through an `interval`, it drops or marks some ([`tackle_core::codel`]).

#![forbid(unsafe_code)]

use kernel::{prelude::*, sync::Arc};
use tackle::net::{
    codel::{self as uapi, Sojourn},
    netlink::{ExtAck, Nest, Nested, Policy},
    qdisc::{
        Change, Dequeue, Details, Enqueue, Outcome, Qdisc, Registration, Request, Reset, Sch, Setup,
    },
    DropReason, SkBuff,
};
use tackle_core::codel::{self, xstats, Histogram, Params, Queue, Stats, Time, Vars};

module! {
    type: Module,
    name: "sch_rcodel",
    authors: ["The Tackle developers"],
    description: "Controlled Delay queue discipline in Rust",
    license: "GPL",
    alias: ["net-sch-rcodel"],
}

struct Module {
    _kind: Registration<Rcodel>,
}

impl kernel::Module for Module {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _kind: Registration::new()?,
        })
    }
}

/// The most packets that may wait, if the user does not say.
const DEFAULT_LIMIT: u32 = 1000;

/// More than this no device sends at once, whatever its MTU says; in bytes.
const MAX_MTU: u32 = 1 << 20;

static POLICY: Policy<{ uapi::ATTRIBUTES }> = Policy::new()
    .u32(uapi::TARGET)
    .u32(uapi::LIMIT)
    .u32(uapi::INTERVAL)
    .u32(uapi::ECN)
    .u32(uapi::CE_THRESHOLD)
    .u8(uapi::HISTOGRAM);

/// The options of a request.
#[derive(Default)]
struct Config {
    target: Option<Time>,
    interval: Option<Time>,
    ce_threshold: Option<Time>,
    ecn: Option<bool>,
    limit: Option<u32>,
    sojourn: Option<Sojourn>,
}

impl Config {
    /// Sets what the request sets. The limit and the histogram are not among the parameters.
    fn apply(&self, params: &mut Params) {
        params.target = self.target.unwrap_or(params.target);
        params.interval = self.interval.unwrap_or(params.interval);
        params.ce_threshold = self.ce_threshold.unwrap_or(params.ce_threshold);
        params.ecn = self.ecn.unwrap_or(params.ecn);
    }
}

/// The state of one qdisc.
struct Rcodel {
    params: Params,
    vars: Vars,
    stats: Stats,
    /// Packets that came when the queue was full.
    drop_overlimit: u32,
    /// Packets that were too many when the limit was lowered.
    drop_change: u32,
    sojourn: Sojourn,
}

#[vtable]
impl Qdisc for Rcodel {
    const ID: &'static CStr = c"rcodel";
    type State<'q> = Self;
    type Config = Config;
    type Stats = uapi::Xstats;

    fn parse(_request: Request, options: Nested<'_>, ack: &mut ExtAck<'_>) -> Result<Config> {
        let options = options.parse(&POLICY, ack)?;
        Ok(Config {
            target: options.u32(uapi::TARGET).map(Time::from_us),
            interval: options.u32(uapi::INTERVAL).map(Time::from_us),
            ce_threshold: options.u32(uapi::CE_THRESHOLD).map(Time::from_us),
            ecn: options.u32(uapi::ECN).map(|ecn| ecn != 0),
            limit: options.u32(uapi::LIMIT),
            sojourn: Sojourn::parse(&options, ack)?,
        })
    }

    fn init<'q>(config: Config, setup: &mut Setup<'_>) -> impl PinInit<Self, Error> {
        let mut params = Params {
            mtu: setup.mtu().min(MAX_MTU),
            ..Params::default()
        };
        config.apply(&mut params);
        setup.set_limit(config.limit.unwrap_or(DEFAULT_LIMIT));
        if setup.limit() >= 1 {
            setup.allow_bypass();
        }
        Ok(Self {
            params,
            vars: Vars::default(),
            stats: Stats::default(),
            drop_overlimit: 0,
            drop_change: 0,
            sojourn: config.sojourn.unwrap_or_default(),
        })
    }

    #[inline]
    fn enqueue<'q, 'call>(
        state: Pin<&mut Self>,
        sch: &mut Enqueue<'q, 'call>,
        mut packet: SkBuff<'call>,
    ) -> Outcome<'call> {
        if sch.qlen() < sch.limit() {
            packet.set_note(uapi::now().0);
            return sch.push_tail(packet);
        }
        let this = state.get_mut();
        this.drop_overlimit = this.drop_overlimit.wrapping_add(1);
        sch.reject(packet, DropReason::OverLimit)
    }

    #[inline]
    fn dequeue<'q, 'call>(
        state: Pin<&mut Self>,
        sch: &mut Dequeue<'q, 'call>,
    ) -> Option<SkBuff<'call>> {
        let this = state.get_mut();
        let packet = codel::dequeue(
            &mut Fifo(sch),
            &this.params,
            &mut this.vars,
            &mut this.stats,
        )?;
        this.sojourn.add(this.vars.ldelay);
        Some(packet)
    }

    #[inline]
    fn is_idle(state: &Self, sch: &Sch) -> bool {
        sch.qlen() == 0 && state.vars.is_idle()
    }

    fn change<'q>(state: Pin<&mut Self>, sch: &mut Change<'q, '_>, config: Config) {
        let this = state.get_mut();
        config.apply(&mut this.params);
        this.sojourn.switch(config.sojourn);
        if let Some(limit) = config.limit {
            sch.set_limit(limit);
        }
        this.drop_change = this.drop_change.wrapping_add(sch.trim());
    }

    fn reset<'q>(state: Pin<&mut Self>, _sch: &mut Reset<'q>) {
        state.get_mut().vars = Vars::default();
    }

    fn dump(state: &Self, sch: &Sch, options: &mut Nest<'_>) -> Result {
        let params = &state.params;
        options.put_u32(uapi::TARGET, params.target.to_us())?;
        options.put_u32(uapi::LIMIT, sch.limit())?;
        options.put_u32(uapi::INTERVAL, params.interval.to_us())?;
        options.put_u32(uapi::ECN, params.ecn.into())?;
        if params.ce_threshold != Time::DISABLED {
            options.put_u32(uapi::CE_THRESHOLD, params.ce_threshold.to_us())?;
        }
        state.sojourn.dump(options)
    }

    fn stats(state: &Self, _sch: &Sch) -> uapi::Xstats {
        uapi::Xstats {
            maxpacket: state.stats.maxpacket,
            count: state.vars.count,
            lastcount: state.vars.lastcount,
            ldelay: state.vars.ldelay.to_us(),
            drop_next: state.vars.drop_next_us(uapi::now()),
            drop_overlimit: state.drop_overlimit,
            ecn_mark: state.stats.ecn_mark,
            dropping: state.vars.dropping.into(),
            ce_mark: state.stats.ce_mark,
        }
    }

    fn details(state: &Self, _sch: &Sch, out: &mut Details) -> Result {
        if let Some(time) = state.vars.first_above_us(uapi::now()) {
            // CAST: What is signed for user space has the same bits here.
            out.put_u32(xstats::FIRST_ABOVE, time as u32)?;
        }
        out.put_u32(xstats::DROP_TARGET, state.stats.drop_count)?;
        out.put_u32(xstats::DROP_CHANGE, state.drop_change)
    }

    fn histogram(state: &Self) -> Option<Arc<Histogram>> {
        state.sojourn.histogram()
    }
}

/// The qdisc's queue, as CoDel sees it. On each packet it notes when it came.
struct Fifo<'a, 'q, 'call>(&'a mut Dequeue<'q, 'call>);

impl<'call> Queue for Fifo<'_, '_, 'call> {
    type Packet = SkBuff<'call>;

    #[inline]
    fn now(&self) -> Time {
        uapi::now()
    }

    #[inline]
    fn pop(&mut self) -> Option<SkBuff<'call>> {
        self.0.pop()
    }

    #[inline]
    fn backlog(&self) -> u32 {
        self.0.backlog()
    }

    #[inline]
    fn len(packet: &SkBuff<'call>) -> u32 {
        packet.len()
    }

    #[inline]
    fn enqueued_at(packet: &SkBuff<'call>) -> Time {
        Time(packet.note())
    }

    #[inline]
    fn drop(&mut self, packet: SkBuff<'call>) {
        self.0.drop(packet, DropReason::Congested);
    }

    #[inline]
    fn mark(&mut self, packet: &mut SkBuff<'call>) -> bool {
        packet.set_ce()
    }

    #[inline]
    fn dsfield(&mut self, packet: &mut SkBuff<'call>) -> Option<u8> {
        packet.dsfield()
    }
}
