// SPDX-License-Identifier: GPL-2.0

//! Implements `rfq_codel`, the FQ-CoDel queueing discipline, with the options and statistics of
//! `fq_codel`.
//!
//! ```sh
//! tc qdisc add dev eth0 root rfq_codel
//! ```
//!
//! It distributes the packets over flows, which it serves in turn. An instance of CoDel for each
//! flow keeps the flow's queue short ([`tackle_core::fq_codel`]).

#![forbid(unsafe_code)]

#[path = "sch_rfq_codel/scheduler.rs"]
mod scheduler;

use core::num::NonZeroU32;
use scheduler::FqCodel;
use tackle::{
    net::{
        codel::{self, Sojourn},
        fq_codel::{self as uapi, Xstats},
        qdisc::FlowStats,
    },
    prelude::qdisc::*,
};
use tackle_core::{
    codel::Time,
    fq_codel::{Params, Quantum, MAX_FLOWS},
};

tackle::module! {
    type: Module,
    name: "sch_rfq_codel",
    authors: ["The Tackle developers"],
    description: "Fair Queue CoDel discipline in Rust",
    license: "GPL",
    alias: ["net-sch-rfq_codel"],
}

struct Module {
    _kind: Registration<RfqCodel>,
}

impl kernel::Module for Module {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _kind: Registration::new()?,
        })
    }
}

/// The default of the option `flows`.
const DEFAULT_FLOWS: NonZeroU32 = NonZeroU32::MIN.saturating_add(1023);

static POLICY: Policy<{ uapi::ATTRIBUTES }> = Policy::new()
    .u32(uapi::TARGET)
    .u32(uapi::LIMIT)
    .u32(uapi::INTERVAL)
    .u32(uapi::ECN)
    .u32(uapi::FLOWS)
    .u32(uapi::QUANTUM)
    .u32(uapi::CE_THRESHOLD)
    .u32(uapi::DROP_BATCH_SIZE)
    .u32(uapi::MEMORY_LIMIT)
    .u8(uapi::CE_THRESHOLD_SELECTOR)
    .u8(uapi::CE_THRESHOLD_MASK)
    .u8(codel::HISTOGRAM);

/// The options of a request.
#[derive(Default)]
struct Config {
    flows: Option<NonZeroU32>,
    limit: Option<u32>,
    memory_limit: Option<u32>,
    quantum: Option<Quantum>,
    drop_batch: Option<NonZeroU32>,
    target: Option<Time>,
    interval: Option<Time>,
    ecn: Option<bool>,
    ce_threshold: Option<Time>,
    ce_threshold_selector: Option<u8>,
    ce_threshold_mask: Option<u8>,
    sojourn: Option<Sojourn>,
}

impl Config {
    /// Sets the parameters that the request contains. The number of flows and the histogram are no
    /// parameters.
    fn apply(&self, params: &mut Params) {
        fn set<T: Copy>(param: &mut T, value: Option<T>) {
            *param = value.unwrap_or(*param);
        }
        set(&mut params.limit, self.limit);
        set(&mut params.memory_limit, self.memory_limit);
        set(&mut params.quantum, self.quantum);
        set(&mut params.drop_batch, self.drop_batch);
        let codel = &mut params.codel;
        set(&mut codel.target, self.target);
        set(&mut codel.interval, self.interval);
        set(&mut codel.ecn, self.ecn);
        set(&mut codel.ce_threshold, self.ce_threshold);
        set(&mut codel.ce_threshold_selector, self.ce_threshold_selector);
        set(&mut codel.ce_threshold_mask, self.ce_threshold_mask);
    }
}

/// Checks the number of flows.
fn flows(flows: u32, ack: &mut ExtAck<'_>) -> Result<NonZeroU32> {
    match NonZeroU32::new(flows) {
        // CAST: A `usize` is not smaller.
        Some(flows) if flows.get() as usize <= MAX_FLOWS => Ok(flows),
        _ => {
            ack.set(c"Invalid number of flows: allowed are 1 to 65536");
            Err(EINVAL)
        }
    }
}

struct RfqCodel;

#[vtable]
impl Qdisc for RfqCodel {
    const ID: &'static CStr = c"rfq_codel";
    type State<'q> = FqCodel<'q>;
    type Config = Config;
    type Stats = Xstats;

    fn parse(options: Nested<'_>, ack: &mut ExtAck<'_>) -> Result<Config> {
        let options = options.parse(&POLICY, ack)?;
        let quantum = options.u32(uapi::QUANTUM).map(Quantum::new);
        if quantum == Some(None) {
            ack.set(c"Invalid quantum: allowed are up to 1048576 bytes");
            return Err(EINVAL);
        }
        Ok(Config {
            flows: match options.u32(uapi::FLOWS) {
                Some(count) => Some(flows(count, ack)?),
                None => None,
            },
            limit: options.u32(uapi::LIMIT),
            memory_limit: options
                .u32(uapi::MEMORY_LIMIT)
                .map(|bytes| bytes.min(Params::MEMORY_LIMIT_MAX)),
            quantum: quantum.flatten(),
            drop_batch: options
                .u32(uapi::DROP_BATCH_SIZE)
                .map(|packets| NonZeroU32::new(packets).unwrap_or(NonZeroU32::MIN)),
            target: codel::target(&options, uapi::TARGET, ack)?,
            interval: codel::interval(&options, uapi::INTERVAL, ack)?,
            ecn: options.u32(uapi::ECN).map(|ecn| ecn != 0),
            ce_threshold: codel::ce_threshold(&options, uapi::CE_THRESHOLD, ack)?,
            ce_threshold_selector: options.u8(uapi::CE_THRESHOLD_SELECTOR),
            ce_threshold_mask: options.u8(uapi::CE_THRESHOLD_MASK),
            sojourn: Sojourn::parse(&options, ack)?,
        })
    }

    fn init<'q>(config: Config, setup: &mut Setup<'_>) -> impl PinInit<FqCodel<'q>, Error> {
        let mut params = Params::new(setup.mtu());
        config.apply(&mut params);
        setup.set_limit(params.limit);
        if params.limit >= 1 {
            setup.allow_bypass();
        }
        let flows = config.flows.unwrap_or(DEFAULT_FLOWS);
        FqCodel::new(flows, params).map(|mut state| {
            state.sojourn.switch(config.sojourn);
            state
        })
    }

    #[inline]
    fn enqueue<'q, 'call>(
        state: Pin<&mut FqCodel<'q>>,
        sch: &mut Enqueue<'q, 'call>,
        packet: SkBuff<'call>,
    ) -> Outcome<'call> {
        state.get_mut().enqueue(sch, packet)
    }

    #[inline]
    fn dequeue<'q, 'call>(
        state: Pin<&mut FqCodel<'q>>,
        sch: &mut Dequeue<'q, 'call>,
    ) -> Option<SkBuff<'call>> {
        state.get_mut().dequeue(sch)
    }

    #[inline]
    fn is_idle(state: &FqCodel<'_>, sch: &Sch) -> bool {
        sch.qlen() == 0 && state.is_idle()
    }

    fn check(state: &FqCodel<'_>, config: &Config, ack: &mut ExtAck<'_>) -> Result {
        match config.flows {
            Some(flows) if flows.get() != state.flow_count() => {
                ack.set(c"The number of flows cannot be changed");
                Err(EINVAL)
            }
            _ => Ok(()),
        }
    }

    fn change<'q>(state: Pin<&mut FqCodel<'q>>, sch: &mut Change<'q, '_>, config: Config) {
        let state = state.get_mut();
        config.apply(state.params_mut());
        state.sojourn.switch(config.sojourn);
        sch.set_limit(state.params().limit);
        state.trim(sch);
    }

    fn reset<'q>(state: Pin<&mut FqCodel<'q>>, sch: &mut Reset<'q>) {
        state.get_mut().reset(sch);
    }

    fn dump(state: &FqCodel<'_>, _sch: &Sch, options: &mut Nest<'_>) -> Result {
        let params = state.params();
        let codel = &params.codel;
        options.put_u32(uapi::TARGET, codel.target.to_option_us())?;
        options.put_u32(uapi::LIMIT, params.limit)?;
        options.put_u32(uapi::INTERVAL, codel.interval.to_option_us())?;
        options.put_u32(uapi::ECN, codel.ecn.into())?;
        options.put_u32(uapi::QUANTUM, params.quantum.bytes())?;
        options.put_u32(uapi::DROP_BATCH_SIZE, params.drop_batch.get())?;
        options.put_u32(uapi::MEMORY_LIMIT, params.memory_limit)?;
        options.put_u32(uapi::FLOWS, state.flow_count())?;
        if codel.ce_threshold != Time::DISABLED {
            options.put_u32(uapi::CE_THRESHOLD, codel.ce_threshold.to_option_us())?;
            options.put_u8(uapi::CE_THRESHOLD_SELECTOR, codel.ce_threshold_selector)?;
            options.put_u8(uapi::CE_THRESHOLD_MASK, codel.ce_threshold_mask)?;
        }
        state.sojourn.dump(options)
    }

    fn stats(state: &FqCodel<'_>, _sch: &Sch) -> Xstats {
        state.stats()
    }

    fn details(state: &FqCodel<'_>, sch: &Sch, out: &mut Details) -> Result {
        state.details(sch, out)
    }

    fn unlocked_details(state: &FqCodel<'_>) -> Option<Arc<dyn UnlockedDetails>> {
        state.sojourn.details()
    }

    fn flow_count(state: &FqCodel<'_>) -> u32 {
        state.flow_count()
    }

    fn flow_in_use(state: &FqCodel<'_>, flow: u32) -> bool {
        state.flow_in_use(flow)
    }

    fn flow_stats(state: &FqCodel<'_>, flow: u32) -> Option<FlowStats<Xstats>> {
        state.flow_stats(flow, codel::now())
    }

    fn flow_details(state: &FqCodel<'_>, flow: u32, out: &mut Details) -> Result {
        state.flow_details(flow, codel::now(), out)
    }
}
