// SPDX-License-Identifier: GPL-2.0

//! Implements `rcodel`, the CoDel queueing discipline, with the options and statistics of `codel`.
//!
//! ```sh
//! tc qdisc add dev eth0 root rcodel
//! ```
//!
//! It has one FIFO queue. If the delay of packets stays above `target` during an `interval`, it
//! drops or marks some packets ([`tackle_core::codel`]).

#![forbid(unsafe_code)]

use tackle::{
    net::codel::{self as uapi, Sojourn},
    prelude::qdisc::*,
};
use tackle_core::codel::{attr, Codel, Params, Queue, Time};

tackle::module! {
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

/// The default of the option `limit`, in packets.
const DEFAULT_LIMIT: u32 = 1000;

/// The upper limit of the MTU in CoDel's parameters, in bytes. No device sends larger packets,
/// even if its MTU is larger.
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
    /// Sets the parameters that the request contains. The limit and the histogram are no
    /// parameters.
    fn apply(&self, params: &mut Params) {
        params.target = self.target.unwrap_or(params.target);
        params.interval = self.interval.unwrap_or(params.interval);
        params.ce_threshold = self.ce_threshold.unwrap_or(params.ce_threshold);
        params.ecn = self.ecn.unwrap_or(params.ecn);
    }
}

/// The state of one qdisc.
struct Rcodel {
    codel: Codel,
    sojourn: Sojourn,
}

#[vtable]
impl Qdisc for Rcodel {
    const ID: &'static CStr = c"rcodel";
    type State<'q> = Self;
    type Config = Config;
    type Stats = uapi::Xstats;

    fn parse(options: Nested<'_>, ack: &mut ExtAck<'_>) -> Result<Config> {
        let options = options.parse(&POLICY, ack)?;
        Ok(Config {
            target: uapi::target(&options, uapi::TARGET, ack)?,
            interval: uapi::interval(&options, uapi::INTERVAL, ack)?,
            ce_threshold: uapi::ce_threshold(&options, uapi::CE_THRESHOLD, ack)?,
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
            codel: Codel::new(params),
            sojourn: config.sojourn.unwrap_or_default(),
        })
    }

    #[inline]
    fn enqueue<'q, 'call>(
        state: Pin<&mut Self>,
        sch: &mut Enqueue<'q, 'call>,
        mut packet: SkBuff<'call>,
    ) -> Outcome<'call> {
        if !state.get_mut().codel.admits(sch.qlen(), sch.limit()) {
            return sch.reject(packet, DropReason::OverLimit);
        }
        packet.set_note(uapi::now().0);
        sch.push_tail(packet)
    }

    #[inline]
    fn dequeue<'q, 'call>(
        state: Pin<&mut Self>,
        sch: &mut Dequeue<'q, 'call>,
    ) -> Option<SkBuff<'call>> {
        let this = state.get_mut();
        let packet = this.codel.dequeue(&mut Packets(sch))?;
        this.sojourn.add(this.codel.vars.ldelay);
        Some(packet)
    }

    #[inline]
    fn is_idle(state: &Self, sch: &Sch) -> bool {
        sch.qlen() == 0 && state.codel.vars.is_idle()
    }

    fn change<'q>(state: Pin<&mut Self>, sch: &mut Change<'q, '_>, config: Config) {
        let this = state.get_mut();
        config.apply(&mut this.codel.params);
        this.sojourn.switch(config.sojourn);
        if let Some(limit) = config.limit {
            sch.set_limit(limit);
        }
        let (qlen, limit) = (sch.qlen(), sch.limit());
        this.codel.trim(qlen, limit, || sch.drop_head());
    }

    fn reset<'q>(state: Pin<&mut Self>, sch: &mut Reset<'q>) {
        state.get_mut().codel.reset(sch.waiting());
    }

    fn dump(state: &Self, sch: &Sch, options: &mut Nest<'_>) -> Result {
        let params = &state.codel.params;
        options.put_u32(uapi::TARGET, params.target.to_option_us())?;
        options.put_u32(uapi::LIMIT, sch.limit())?;
        options.put_u32(uapi::INTERVAL, params.interval.to_option_us())?;
        options.put_u32(uapi::ECN, params.ecn.into())?;
        if params.ce_threshold != Time::DISABLED {
            options.put_u32(uapi::CE_THRESHOLD, params.ce_threshold.to_option_us())?;
        }
        state.sojourn.dump(options)
    }

    fn stats(state: &Self, _sch: &Sch) -> uapi::Xstats {
        let Codel {
            vars, stats, drops, ..
        } = &state.codel;
        uapi::Xstats {
            maxpacket: stats.maxpacket,
            count: vars.count,
            lastcount: vars.lastcount,
            ldelay: vars.ldelay.to_us(),
            drop_next: vars.drop_next_us(uapi::now()),
            drop_overlimit: drops.overlimit,
            ecn_mark: stats.ecn_mark,
            dropping: vars.dropping.into(),
            ce_mark: stats.ce_mark,
        }
    }

    fn details(state: &Self, _sch: &Sch, out: &mut Details) -> Result {
        let Codel {
            vars, stats, drops, ..
        } = &state.codel;
        if let Some(time) = vars.first_above_us(uapi::now()) {
            // CAST: The value has the same bits as the signed value in user space.
            out.put_u32(attr::FIRST_ABOVE, time as u32)?;
        }
        out.put_u32(attr::DROP_TARGET, stats.drop_count)?;
        out.put_u32(attr::DROP_CHANGE, drops.change)?;
        out.put_u32(attr::DROP_RESET, drops.reset)
    }

    fn unlocked_details(state: &Self) -> Option<Arc<dyn UnlockedDetails>> {
        state.sojourn.details()
    }
}

/// The qdisc's queue for CoDel. The note of each packet is the time at which it was enqueued.
struct Packets<'a, 'q, 'call>(&'a mut Dequeue<'q, 'call>);

impl<'call> Queue for Packets<'_, '_, 'call> {
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
